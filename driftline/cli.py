"""The command line: commands that are imported when called, and known errors as one sentence."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from driftline import logs
from driftline.commands import Command
from driftline.exit_codes import BAD_INPUT, TROUBLE, with_exit_codes
from driftline.terminal import echo

LOG_LEVELS = ("debug", "info", "warning", "error")


class Cli(click.Group):
    """A group of commands that are imported only when called, because some imports are slow."""

    def __init__(self, *args: Any, lazy: Mapping[str, Command], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*self._lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return with_exit_codes(command)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - as above
        formatter: click.HelpFormatter,
    ) -> None:
        """The short help of each command, from the table. No command is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.short_help) for name, command in self._lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Of the names of commands, without importing them."""
        named = [
            CompletionItem(name, help=command.short_help)
            for name, command in self._lazy.items()
            if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.MissingParameter as error:
            raise _all_missing(error) from error
        except (ValueError, RuntimeError) as error:
            code = exit_code(error)
            if code is None:
                raise
            if ctx.params.get("log_format") == "json":
                logging.getLogger("driftline").error("%s", error)
            else:
                echo(f"driftline: {error}", err=True)
            ctx.exit(code)


def program(name: str, commands: Mapping[str, Command], help_text: str) -> Cli:
    """A group with the global options. Commands get the ``Settings`` as the context's object."""

    @click.group(name, cls=Cli, lazy=commands, help=help_text)
    @click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="Configuration file; by default driftline.toml, if it exists.",
    )
    @click.option(
        "--log-level",
        type=click.Choice(LOG_LEVELS, case_sensitive=False),
        help="Least severe level that is logged; by default warning, for workers info.",
    )
    @click.option(
        "--log-format",
        type=click.Choice(logs.FORMATS),
        default="text",
        show_default=True,
        help="Format of the log on standard error.",
    )
    @click.version_option(package_name="driftline")
    @click.pass_context
    def main(
        ctx: click.Context, config: Path | None, log_level: str | None, log_format: str
    ) -> None:
        from driftline.settings import load_settings

        logs.set_up(log_level or "warning", log_format, role=ctx.invoked_subcommand)
        _quieten(log_level or "warning")
        ctx.obj = load_settings(config)
        logs.hide(ctx.obj.secrets())

    assert isinstance(main, Cli)
    return main


def exit_code(error: Exception) -> int | None:
    """The exit code for an expected error; None for a bug, which gets a traceback."""
    # Imported here to keep `--help` fast.
    from driftline.errors import BadInput, Trouble
    from monitor.counts.profile import InvalidReference
    from monitor.plan import InvalidPlan

    if isinstance(error, BadInput | InvalidPlan | InvalidReference):
        return BAD_INPUT
    return TROUBLE if isinstance(error, Trouble) else None


def _all_missing(error: click.MissingParameter) -> click.UsageError:
    """Click names the first one only, after it has read all that were given."""
    context = error.ctx
    if context is None:
        return error
    needed = [one for one in context.command.get_params(context) if one.required]
    missing = [one.get_error_hint(context) for one in needed if one.name not in context.params]
    if len(missing) < 2:
        return error
    return click.UsageError(f"Missing: {', '.join(missing)}.", context)


def _quieten(level: str) -> None:
    if level.lower() not in ("debug", "info"):
        # It logs every attempt to connect. Failures are in our own error messages.
        logging.getLogger("librdkafka").setLevel(logging.CRITICAL)
