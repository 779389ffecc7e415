"""The settings as they are declared: sections, keys, defaults. For documents and templates."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from driftline.configuration.fields import FieldSection
from driftline.configuration.model_section import ModelSection
from driftline.configuration.pairs import PairSection
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings

UNSET = "…"  # stands in the template where a key has no default
_WIDTH = 98
_HEAD = """\
# Settings of Driftline. Each has a default, which is shown: remove "# " from a line to change it.
# Environment variables override this file: DRIFTLINE_WINDOWS__LENGTH=6h. A secret can be in a file
# of its own: "file:/run/secrets/token". docs/configuration.md tells more.
"""


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections with fixed keys, by name."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def fields(section: type[BaseModel], within: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a section and of the sections inside it, with their dotted names."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{within}{name}.")
        else:
            yield f"{within}{name}", field


def model_keys() -> dict[str, FieldInfo]:
    """The keys of the section of a model that belong to no section inside it."""
    return {name: one for name, one in ModelSection.model_fields.items() if one.description}


def model_sections() -> list[str]:
    """The sections of which a model may have keys of its own."""
    return [name for name in ModelSection.model_fields if name not in model_keys()]


def default_text(field: FieldInfo) -> str | None:
    """The default as JSON; None without one."""
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, FieldSection):
        value = value.model_dump(exclude_defaults=True)
    if value is None or field.is_required():
        return None
    return json.dumps(str(value) if isinstance(value, Path) else value)


def about(section: type[BaseModel]) -> str:
    return cleandoc(section.__doc__ or "")


def template() -> str:
    """A ``driftline.toml`` that changes nothing: every key is a comment with its default."""
    parts = [_HEAD]
    for name, section in sections():
        parts += [*_comment(about(section)), f"[{name}]", *_keys(fields(section))]
    parts += _comment(about(ModelSection))
    parts += [f'# [models."NAME".{name}]' for name in model_sections()]
    parts += ["", '# [models."NAME"]', *_keys(model_keys().items())]
    parts += [*_comment(about(SourceSection)), "# [[sources]]"]
    parts += _keys(SourceSection.model_fields.items())
    parts += [*_comment(about(PairSection)), "# [sources.pair]"]
    parts += _keys(PairSection.model_fields.items())
    return "\n".join(parts)


def _keys(keys: Iterable[tuple[str, FieldInfo]]) -> Iterator[str]:
    for name, field in keys:
        yield from _comment(field.description or "")
        yield f"# {name} = {_toml(default_text(field))}\n"


def _toml(default: str | None) -> str:
    """Of JSON: only tables are written in another way."""
    return f'"{UNSET}"' if default is None else re.sub(r'"(\w+)": ', r"\1 = ", default)


def _comment(text: str) -> list[str]:
    paragraphs = [textwrap.wrap(part, _WIDTH) or [""] for part in text.split("\n")]
    return [f"# {line}".rstrip() for lines in paragraphs for line in lines]
