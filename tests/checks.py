"""What documents and the compose file say, held against the code: commands and settings."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress

import click
from pydantic import BaseModel

import driftline.__main__
from consumers.__main__ import main as consumers_main
from dashboard.api_address import API_VARIABLE, TOKEN_VARIABLE
from driftline.configuration.model_section import ModelSection
from driftline.configuration.sources import SourceSection
from driftline.fault_points import VARIABLE as FAULT_VARIABLE
from driftline.settings import Settings
from producers.__main__ import main as producers_main

PREFIX = "DRIFTLINE_"
PROGRAMS: dict[tuple[str, ...], click.Command] = {
    ("driftline",): driftline.__main__.main,
    ("python", "-m", "driftline"): driftline.__main__.main,
    ("python", "-m", "producers"): producers_main,
    ("python", "-m", "consumers"): consumers_main,
}
# Not of the settings: the dashboard's, those of the tests, and _DRIFTLINE_COMPLETE of click.
OTHERS = {API_VARIABLE, TOKEN_VARIABLE, "DRIFTLINE_TEST_KAFKA", "DRIFTLINE_REQUIRE", FAULT_VARIABLE}
OTHERS |= {"DRIFTLINE_COMPLETE"}


def parse(words: Sequence[str], *, whole: bool = True) -> bool:
    """Whether ``words`` call one of our programs; raises ``click.UsageError`` if wrongly.

    Nothing is run: options and arguments are only read. Without ``whole`` some may be missing.
    """
    for start, command in PROGRAMS.items():
        if tuple(words[: len(start)]) == start:
            with suppress(*(() if whole else (click.MissingParameter,))):
                _parse(command, start[-1], list(words[len(start) :]))
            return True
    return False


def _parse(
    command: click.Command, name: str, words: list[str], parent: click.Context | None = None
) -> None:
    try:
        context = command.make_context(name, words, parent=parent)
    except click.exceptions.Exit:  # --help and --version are answered while they are read
        return
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            raise click.MissingParameter(ctx=context, param_type="command")
        inner_name, inner, rest = command.resolve_command(context, rest)
        assert inner is not None
        _parse(inner, inner_name or "", rest, context)


def invocations(script: str) -> list[list[str]]:
    """The commands of a shell script, as words; without redirections, ``&`` and comments."""
    lines = script.replace("\\\n", " ").splitlines()
    found: list[list[str]] = []
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if word in ("|", "||", "&&", ";"):
                found.append(words)
                words = []
            elif word not in ("&", ">", "<", ">>"):
                words.append(word)
        found.append(words)
    return [_without_variables(words) for words in found if words]


def _without_variables(words: list[str]) -> list[str]:
    """``NAME=value command`` is ``command``."""
    while words and "=" in words[0] and words[0].split("=")[0].isidentifier():
        words = words[1:]
    return words


def is_section(path: Sequence[str]) -> bool:
    """As a table of a file is called; those of sources may be repeated."""
    if list(path[:1]) == ["sources"]:
        return set(path[1:]) <= SourceSection.model_fields.keys()
    return is_setting(path)


def is_setting(path: Sequence[str]) -> bool:
    """Whether ``["kafka", "client", "sasl", "password"]`` leads somewhere."""
    section: object = Settings
    for number, name in enumerate(path):
        if section is ModelSection and number == 2:
            return is_setting(path[number:])
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return section == "any"
        field = section.model_fields.get(name)
        if field is None:
            return False
        if field.annotation == dict[str, ModelSection]:
            return len(path) == number + 1 or is_setting(path[number + 2 :])
        section = "any" if str(field.annotation).startswith("dict[") else field.annotation
    return True


def is_variable(name: str) -> bool:
    return name in OTHERS or is_setting(name.removeprefix(PREFIX).lower().split("__"))
