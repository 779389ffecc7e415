"""Exit codes, and how the help of commands tells them."""

from __future__ import annotations

from collections.abc import Mapping

import click

DONE, TROUBLE, BAD_INPUT, FOUND = 0, 1, 2, 3
_USUAL = {
    DONE: "done",
    TROUBLE: "something outside does not work, such as Kafka; the message says what to check",
    BAD_INPUT: "invalid input or configuration; nothing was done",
}


def exit_codes(of_command: Mapping[int, str] | None = None) -> str:
    """The end of a command's help; ``of_command`` has its own meanings, by code."""
    meanings = sorted({**_USUAL, **(of_command or {})}.items())
    return "\n".join(["\b", "Exit codes:", *(f"  {code}  {text}" for code, text in meanings)])


def with_exit_codes(command: click.Command) -> click.Command:
    """The command and those inside it; a help that tells its own is kept."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_exit_codes(inner)
    command.epilog = command.epilog or exit_codes()
    return command
