"""Writes what this release leaves behind, for the tests of later releases.

    python -m tests.upgrades.make NAME

``tests/upgrades/NAME`` then holds the log of all topics (``log.msgpack.gz``), the state directories
of ``join`` and ``detect`` (``state.tar.gz``) and a database (``driftline.db.gz``), in the middle of
a stream. Run it before a change of anything that is written, and keep the files for ever.
"""

from __future__ import annotations

import gzip
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import consumers.roles.detect
from consumers.database.database import Database
from tests.upgrades.stream import HALF, encode, new_log, register, send, store


def main(name: str) -> None:
    folder = Path(__file__).parent / name
    folder.mkdir()
    consumers.roles.detect.SNAPSHOT_EVERY = 1
    with TemporaryDirectory() as temporary:
        directory, log = Path(temporary), new_log()
        register(log)
        send(log, directory, 0, HALF)
        (folder / "log.msgpack.gz").write_bytes(gzip.compress(encode(log), mtime=0))
        with tarfile.open(folder / "state.tar.gz", "w:gz") as state:
            for role in ("join", "detect"):
                state.add(directory / role, role)
        file = directory / "driftline.db"
        database = Database.to_write(f"sqlite:///{file}")
        store(log, database)
        database.close()
        (folder / "driftline.db.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
