"""One command made of many: each loaded when it is called, each known error one sentence."""

from __future__ import annotations

import ast
import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

import click

from producers import logs

BAD_INPUT, TROUBLE = 2, 1  # exit codes
LOG_LEVELS = ("debug", "info", "warning", "error")


class Cli(click.Group):
    """Commands by name, as ``"module:attribute"``: importing one may take seconds."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*self._lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What each does, read in its source: to import them all would take seconds."""
        width = formatter.width - 6 - max(map(len, self.list_commands(ctx)), default=0)
        lines = {name: _first_lines(target) for name, target in self._lazy.items()}
        with formatter.section("Commands"):
            formatter.write_dl([(n, shorten(t, width, placeholder=" …")) for n, t in lines.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ValueError, RuntimeError) as error:
            code = exit_code(error)
            if code is None:
                raise
            if ctx.params.get("log_format") == "json":
                logging.getLogger("driftline").error("%s", error)
            else:
                click.echo(f"driftline: {error}", err=True)
            ctx.exit(code)


def program(name: str, commands: Mapping[str, str], help_text: str) -> Cli:
    """A command with the options that all of Driftline has; commands get ``Settings`` as object."""

    @click.group(name, cls=Cli, lazy=commands, help=help_text)
    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="Configuration file; by default driftline.toml, if there is one here.",
    )
    @click.option("--log-level", type=click.Choice(LOG_LEVELS, case_sensitive=False))
    @click.option(
        "--log-format",
        type=click.Choice(logs.FORMATS),
        default="text",
        show_default=True,
        help="Of the lines on standard error.",
    )
    @click.version_option(package_name="driftline")
    @click.pass_context
    def main(
        ctx: click.Context, config: Path | None, log_level: str | None, log_format: str
    ) -> None:
        from producers.settings import load_settings

        logs.set_up(log_level or "warning", log_format, role=ctx.invoked_subcommand)
        _quieten(log_level or "warning")
        ctx.obj = load_settings(config)
        logs.hide(ctx.obj.secrets())

    assert isinstance(main, Cli)
    return main


def _first_lines(target: str) -> str:
    """Of the docstring of ``"module:function"``; empty if there is none."""
    module, _, function = target.partition(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return (ast.get_docstring(node) or "").split("\n\n")[0]
    return ""


def exit_code(error: Exception) -> int | None:
    """None for a bug, which deserves its traceback."""
    # Imported late: help should come at once, and who errs is in no hurry.
    from monitor.plan import InvalidPlan
    from monitor.profile import InvalidReference
    from producers.errors import BadInput, Trouble
    from producers.settings import InvalidSettings

    if isinstance(error, BadInput | InvalidPlan | InvalidReference | InvalidSettings):
        return BAD_INPUT
    return TROUBLE if isinstance(error, Trouble) else None


def _quieten(level: str) -> None:
    if level.lower() not in ("debug", "info"):
        # It tells of every attempt to connect; what came of them stands in our own sentences.
        logging.getLogger("librdkafka").setLevel(logging.CRITICAL)
