"""A RocksDB database that is a cache of the log: it may be lost at any time."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from rocksdict import AccessType, BlockBasedOptions, Options, Rdict

from driftline.errors import BeginAgain, DiskFull, Trouble

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S, RETRY_S = 15.0, 0.1
BLOOM_BITS = 10
FULL = "No space left on device"
DAMAGE = ("Corruption", "IO error: No such file or directory")  # other bytes, or files are missing


class StoreTaken(Trouble):
    """Another process has the store open."""


class Disk:
    """A database with the state of its owner at one key; ``stored`` is that state, if any.

    One without a state, as another release has written it, is emptied. Raises ``StoreTaken``.
    """

    def __init__(self, path: Path, state_key: bytes) -> None:
        self.path = path
        self._db = _open(path)
        with self.usable() as db:
            self.stored: bytes | None = db.get(state_key)
        if self.stored is None and next(iter(self._db.keys()), None) is not None:
            log.warning("%s was written by another release: rebuilding it", path)
            self._db.close()
            shutil.rmtree(path)
            self._db = _open(path)

    @contextmanager
    def usable(self) -> Iterator[Any]:
        """Raises ``DiskFull``, or ``BeginAgain`` if the store is damaged: then it is removed."""
        try:
            yield self._db
        except Exception as error:  # rocksdict raises nothing more precise
            if FULL in str(error):
                raise DiskFull(f"{self.path} cannot be written: {error}") from error
            if not str(error).startswith(DAMAGE):
                raise
            self.close()
            shutil.rmtree(self.path, ignore_errors=True)
            raise BeginAgain(f"{self.path} is damaged, rebuilding it: {error}") from error

    def close(self) -> None:
        """Nothing is lost if it cannot be closed in order, without room for example."""
        try:
            self._db.close()
        except Exception as error:
            log.info("%s was not closed in order: %s", self.path, error)

    def remove(self) -> None:
        """Close it, and remove its files."""
        self.close()
        shutil.rmtree(self.path)


class LogCache(Protocol):
    """A store that is updated to an offset of a log."""

    path: Path

    @property
    def next_offset(self) -> int: ...

    def emptied(self) -> Self:
        """An empty store in its place."""
        ...


C = TypeVar("C", bound=LogCache)


def fit_for(store: C, committed: int, first_offset: Callable[[], int]) -> C:
    """The store; emptied if it cannot be updated to the committed offset.

    ``first_offset``: the oldest that retention has left.
    """
    updated_to = store.next_offset
    if updated_to > committed:
        log.warning("%s is ahead of the committed offset: rebuilding it", store.path)
        return store.emptied()
    if 0 < updated_to < committed and updated_to < first_offset():
        log.warning("%s is older than the oldest record of the log: rebuilding it", store.path)
        return store.emptied()
    return store


def _open(path: Path) -> Rdict:
    """Open or create a database. A corrupt one is emptied: it is only a cache.

    Waits until another worker of this machine, which has just lost the partition, has closed it.
    Raises ``StoreTaken``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(round(LOCK_TIMEOUT_S / RETRY_S)):
        try:
            return Rdict(str(path), options=_options(), access_type=AccessType.read_write())
        except Exception as error:  # rocksdict raises nothing more precise
            _recover(path, str(error))
    raise StoreTaken(f"{path} is held open by another process, perhaps a stopped worker: end it")


def _options() -> Options:
    """Most look-ups are of keys that a store does not have: Bloom filters answer them."""
    options, table = Options(raw_mode=True), BlockBasedOptions()
    options.create_if_missing(True)
    table.set_bloom_filter(BLOOM_BITS, False)
    options.set_block_based_table_factory(table)
    options.set_memtable_prefix_bloom_ratio(0.1)
    options.set_memtable_whole_key_filtering(True)
    return options


def _recover(path: Path, message: str) -> None:
    """Prepare for another attempt to open. Raises ``OSError`` if there is no use in one."""
    if message.startswith(DAMAGE):
        log.warning("%s is damaged, rebuilding it: %s", path, message)
        shutil.rmtree(path)
    elif FULL in message:
        raise DiskFull(f"{path} cannot be opened: {message}")
    elif "/LOCK" in message:
        time.sleep(RETRY_S)
    else:
        raise OSError(f"{path}: {message}")
