"""Exit codes: the help of every command tells them, and its own ones where it has them."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from driftline.__main__ import main
from driftline.commands import COMMANDS
from driftline.exit_codes import exit_codes


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for inner_name, inner in command.commands.items():
            yield from commands(f"{name} {inner_name}", inner)


def helps() -> dict[str, str]:
    context = click.Context(main)
    found = [one for name in COMMANDS for one in commands(name, main.get_command(context, name))]
    return {name: command.get_help(click.Context(command)) for name, command in found}


def test_the_help_of_every_command_tells_its_exit_codes():
    found = helps()
    assert {"status", "models list", "dead-letters replay"} <= set(found)
    for name, text in found.items():
        assert "\n  Exit codes:\n    0  " in text, name
        assert "\n    2  " in text, name


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pipeline", "3  an incident opened"),
        ("status", "3  something critical is open"),
        ("doctor", "1  something is wrong"),
    ],
)
def test_codes_of_a_command_replace_the_usual_ones(name, line):
    assert line in helps()[name]


def test_codes_are_in_order_whatever_is_added():
    lines = exit_codes({3: "three", 1: "one"}).splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["0", "1", "2", "3"]
