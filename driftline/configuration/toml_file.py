"""The values of ``driftline.toml``, in the form in which variables can override single keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftline.errors import InvalidSettings


def read_values(path: Path) -> dict[str, Any]:
    """The tables of the file; none if it does not exist. Raises ``InvalidSettings``."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"{path} is not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidSettings(f"{path} is not UTF-8 text, as TOML requires: {error}") from error
    kafka = values.get("kafka")
    if isinstance(kafka, dict) and "client" in kafka:
        # Flat, as the variables are: pydantic-settings then merges the two key by key.
        values["kafka"] = {**kafka, "client": with_dotted_keys(kafka["client"])}
    return values


def with_dotted_keys(table: object) -> object:
    """``{"sasl": {"password": …}}``, as TOML and variables write it, as ``{"sasl.password": …}``.

    If both forms of a key are there, the nested one wins: it comes from the environment. A value
    that is no table is returned as it is.
    """
    if not isinstance(table, Mapping):
        return table
    flat = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            deeper = with_dotted_keys(inner)
            assert isinstance(deeper, dict)
            flat |= {f"{key}.{rest}": value for rest, value in deeper.items()}
    return flat
