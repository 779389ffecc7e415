"""``driftline models``: the states of model versions, and changes of them."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING

import click

from driftline.terminal import echo, echo_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumers.messages.versions import VersionMessage
    from driftline.settings import Settings

WAIT_S = 15.0
HEADER = ("MODEL", "VERSION", "STATE", "SINCE", "BY", "WHY")

Key = tuple[str, str]
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


@click.group()
def models() -> None:
    """List model versions with their states, and change the states.

    A version is registered until its first row, then live: it answers when no version is named. The
    version that it replaces becomes a shadow, which is watched as before, and is retired after
    time.retire_after without rows. Every change is made by the role detect.
    """


@models.command("list")
@click.option("--model", help="Only versions of this model.")
@as_json_option
@click.pass_obj
def list_versions(settings: Settings, model: str | None, as_json: bool) -> None:
    """Show all versions, with who changed their state, when and why."""
    states, collecting = _states(settings), _collecting(settings)
    keys = _of_model(sorted({**states, **collecting}), model)
    if as_json:
        echo_json([_document(key, states.get(key), collecting.get(key)) for key in keys])
    else:
        _print_table([_row(key, states.get(key), collecting.get(key)) for key in keys])


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        echo("no model is registered")
        return
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    for row in (HEADER, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        echo("  ".join(cells).rstrip())


@models.command()
@click.argument("model")
@click.argument("version")
@as_json_option
@click.pass_obj
def show(settings: Settings, model: str, version: str, as_json: bool) -> None:
    """Show the state of one version."""
    key = (model, version)
    progress = _collecting(settings).get(key)
    found = _known(_states(settings), key)[key] if progress is None else None
    if as_json:
        echo_json(_document(key, found, progress))
        return
    for name, cell in zip(HEADER, _row(key, found, progress), strict=True):
        echo(f"{name.lower():8} {cell}")


def _of_model(keys: Sequence[Key], model: str | None) -> Sequence[Key]:
    """Raises ``BadInput`` if the model has no version."""
    from driftline.errors import not_registered

    found = [key for key in keys if model in (None, key[0])]
    if model is not None and not found:
        raise not_registered(f"model {model!r}", sorted({name for name, _ in keys}))
    return found


def _document(
    key: Key, found: VersionMessage | None, progress: str | None
) -> dict[str, str | None]:
    """For scripts; null where there is nothing yet. ``progress``: of one that is collecting."""
    cells = (None, None, progress) if found is None else (found.since, found.by, found.why)
    state = ("collecting" if progress else "registered") if found is None else found.state
    return dict(zip(map(str.lower, HEADER), (*key, state, *cells), strict=True))


def _states(settings: Settings) -> Mapping[Key, VersionMessage | None]:
    """The states of registered versions, and of others that had rows; None: no row yet."""
    from consumers.kafka.version_table import VersionTable
    from producers.kafka.profile_table import ProfileTable

    with ProfileTable(settings) as profiles, VersionTable(settings) as versions:
        profiles.catch_up()
        return {**dict.fromkeys(profiles.versions()), **versions.all()}


def _collecting(settings: Settings) -> Mapping[Key, str]:
    """The versions of ``[[sources]]`` that are collected, and how far each is."""
    from consumers.kafka.collecting_versions import collecting_progress

    return collecting_progress(settings)


def _known(
    states: Mapping[Key, VersionMessage | None], key: Key
) -> Mapping[Key, VersionMessage | None]:
    from driftline.errors import not_registered

    if key not in states:
        raise not_registered("/".join(key), map("/".join, sorted(states)))
    return states


def _row(key: Key, found: VersionMessage | None, progress: str | None) -> tuple[str, ...]:
    from driftline.terminal import printable

    if progress is not None:
        return (*key, "collecting", "-", "-", printable(progress))
    if found is None:
        return (*key, "registered", "-", "-", "no row yet")
    return (*key, *map(printable, (found.state, found.since, found.by, found.why)))


def _command(name: str, description: str) -> Callable[..., None]:
    """A command that requests an action for a version."""

    @models.command(name, help=description)
    @click.argument("model")
    @click.argument("version")
    @click.option("--why", default="", help="The reason, for others to read.")
    @click.option("--by", help="Who requests it; by default the user of this shell.")
    @click.pass_obj
    def request(settings: Settings, model: str, version: str, why: str, by: str | None) -> None:
        _request(settings, (model, version), name, by or _user(), why or "requested")

    return request


promote = _command("promote", "Make a version live; the one that was live becomes a shadow.")
retire = _command(
    "retire",
    "Stop watching a version: its incidents are resolved, its state is dropped, and rows that still"
    " come are only counted. Its history stays in the API.",
)
restore = _command("restore", "Watch a retired version again, as a shadow.")
reset = _command(
    "reset",
    "Start the event time and the state of a version afresh, for example after a row of a wrong"
    " time in the future.",
)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for the user id, as in some containers
        return "unknown"


def _request(settings: Settings, key: Key, action: str, by: str, why: str) -> None:
    """Request an action, and wait until ``detect`` has taken it."""
    from driftline.errors import BadInput
    from monitor.windows.lives import LifeAction, VersionState, fits
    from producers.contract.life_requests import LifeRequestMessage
    from producers.kafka.life_requests import send_request

    if key in _collecting(settings):
        raise BadInput(_collecting_refusal(key, action))
    before = _known(_states(settings), key)[key]
    state = None if before is None else before.state
    if not fits(state, LifeAction(action)):
        raise BadInput(_refusal(key, state or VersionState.REGISTERED, action))
    message = LifeRequestMessage(
        model=key[0], version=key[1], action=LifeAction(action), by=by, why=why
    )
    send_request(settings, message)
    after = _changed(settings, key, before)
    if after is None:
        echo(
            f"requested; it takes effect when detect has come to it (waited {WAIT_S:.0f} s)."
            " /health says whether detect runs, and names models that are set aside"
        )
    else:
        echo(f"{'/'.join(key)} is {after.state} since {after.since}")


def _collecting_refusal(key: Key, action: str) -> str:
    return (
        f"{'/'.join(key)} is collecting: {action} does not apply; to give it up, delete its"
        " [[sources]] from the configuration, and restart driftline consume"
    )


def _refusal(key: Key, state: str, action: str) -> str:
    sentence = f"{'/'.join(key)} is {state}: {action} does not apply"
    if state == "retired" and action != "retire":
        return f"{sentence}; restore it first: driftline models restore {' '.join(key)}"
    return sentence


def _changed(settings: Settings, key: Key, before: VersionMessage | None) -> VersionMessage | None:
    from consumers.kafka.version_table import VersionTable

    deadline_s = time.monotonic() + WAIT_S
    with VersionTable(settings) as versions:
        while time.monotonic() < deadline_s:
            found = versions.all().get(key)
            if found != before:
                return found
            time.sleep(0.2)
    return None
