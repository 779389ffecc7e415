"""Reads the API for commands of the shell: where it is, and which model versions are meant."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dashboard.api_address import API_VARIABLE, TOKEN_VARIABLE, resolve_api_address
from driftline.errors import BadInput, not_registered

if TYPE_CHECKING:
    from api.answers import Model
    from dashboard.client import Client
    from dashboard.shell.overview import Overview, VersionOverview
    from driftline.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
TIMEOUT_S = 4.0  # with the time to connect: a wrong address is told within five seconds

api_option: Callable[[F], F] = click.option(
    "--api",
    metavar="URL",
    help=f"Address of the API; by default {API_VARIABLE}, or that of the configuration. A token is"
    f" read from {TOKEN_VARIABLE}.",
)


def client(settings: Settings, address: str | None) -> Client:
    from dashboard.client import connect

    given = {API_VARIABLE: address} if address else {}
    found = resolve_api_address({**os.environ, **given}, lambda: settings)
    return connect(found.address, found.token, TIMEOUT_S)


def overview(api: Client, model: str | None, version: str | None) -> Overview:
    """Of all versions that are not retired, or those that are named. Raises ``ApiProblem``."""
    from dashboard.shell.overview import Overview

    health = api.health()
    versions = [_version(api, one) for one in _chosen(api.models(), model, version)]
    return Overview(versions, health)


def one_version(api: Client, model: str | None, version: str | None) -> Model:
    """The version that answers for a model, or the one that is named. Raises ``BadInput``."""
    models = api.models()
    found = _named(models, model, version)
    if len({one.model for one in found}) > 1:
        known = ", ".join(_names(models))
        raise BadInput(f"several models are registered, choose one with --model: {known}")
    if not found:
        raise BadInput("no model is registered")
    return found[0]


def _chosen(models: Sequence[Model], model: str | None, version: str | None) -> list[Model]:
    named = _named(models, model, version)
    return named if version else [one for one in named if one.state != "retired"]


def _named(models: Sequence[Model], model: str | None, version: str | None) -> list[Model]:
    found = [m for m in models if model in (None, m.model) and version in (None, m.version)]
    if not found and (model is not None or version is not None):
        wanted = "/".join(name or "*" for name in (model, version))
        raise not_registered(wanted, _names(models))
    return found


def _names(models: Sequence[Model]) -> list[str]:
    return [f"{one.model}/{one.version}" for one in models]


def _version(api: Client, model: Model) -> VersionOverview:
    from dashboard.client import ModelVersion
    from dashboard.shell.overview import VersionOverview, worst_first

    which = ModelVersion(model.model, model.version)
    newest = api.windows(which, 1)
    return VersionOverview(
        model,
        worst_first(api.incidents(which, "open")),
        newest[-1].window if newest else None,
        api.latest_metrics(which).window,
    )
