"""``driftline init``."""

from __future__ import annotations

from pathlib import Path

import click

from driftline.errors import BadInput
from driftline.settings import FILE
from driftline.terminal import echo


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=FILE, metavar="[FILE]")
def init(file: Path) -> None:
    """Write a configuration file, by default driftline.toml, that holds every setting.

    Each is a comment with its default and its meaning, so the file changes nothing until you remove
    the "# " from a line. A file that exists is not overwritten.
    """
    from driftline.configuration.reference import template

    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(template())
    except FileExistsError as error:
        raise BadInput(f"{file} exists and is kept: name another file") from error
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}") from error
    echo(f"wrote {file}")
