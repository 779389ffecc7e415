"""Writes docs/configuration.md, the reference of every setting, from the settings themselves.

    python scripts/configuration_reference.py

A test compares the page with what this makes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "configuration.md"
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from pydantic import BaseModel  # noqa: E402
from pydantic.fields import FieldInfo  # noqa: E402

from driftline.settings import ModelSection, Settings  # noqa: E402

HEAD = """\
# Configuration

<!-- Made by scripts/configuration_reference.py from driftline/settings.py: change it there. -->

Every setting has a default, so Driftline runs without any. To change some, write them into
`driftline.toml` in the directory where a command starts, or name another file with `--config`:

```toml
[kafka]
bootstrap_servers = "kafka-1:9092,kafka-2:9092"

[kafka.client]
security.protocol = "SASL_SSL"
sasl.mechanism = "SCRAM-SHA-512"
sasl.username = "driftline"
sasl.password = "file:/run/secrets/kafka_password"

[windows]
pane = "1h"
length = "6h"
slide = "3h"

[models."churn".time]      # only for this model
label_horizon = "60d"
```

A variable outranks the file. Its name is `DRIFTLINE_`, the section, two underscores and the key, in
capitals: `DRIFTLINE_WINDOWS__LENGTH=6h`. Two underscores also stand for the dots in librdkafka's
names: `DRIFTLINE_KAFKA__CLIENT__SASL__USERNAME=driftline`. Lists and tables are JSON:
`DRIFTLINE_API__TOKENS='["one", "another"]'`.

An unknown key, in the file or in a variable of a section, is refused by its name, and so is a value
that does not fit: the command ends with code 2 before it does anything.

- *Durations* are texts: `"30s"`, `"5m"`, `"1h30m"`, `"7d"`, `"2w"`.
- *Budgets* of false alarms are texts: `"1 per 7d"`.
- *Secrets* need not stand in the file. Where a value of `kafka.client`, `api.tokens` or `store.url`
  begins with `file:`, as `file:/run/secrets/token` does, it is read from the file named there,
  without the space around it. A file that is missing, empty or no text is refused by its name.
  Tokens, passwords and keys are hidden in logs.
- *One model* may be watched in its own way: `[models."NAME".windows]`, for example. The pane is
  part of a reference profile: after a change of it, register the model again as a new version.

The dashboard reads two variables that are no settings: `DRIFTLINE_DASHBOARD__API`, the address of
the API, and `DRIFTLINE_DASHBOARD__TOKEN`, a token for it. Without them it takes those of `[api]`.
"""


def page() -> str:
    """The whole page, as it should stand in the repository."""
    sections = [part for name, of in _sections() for part in _section(name, of)]
    return "\n".join([HEAD, *sections, *_models()])


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def _section(name: str, section: type[BaseModel]) -> Iterator[str]:
    yield f"## `[{name}]`\n"
    yield f"{section.__doc__}\n"
    yield "| key | default | meaning |\n| --- | --- | --- |"
    for path, field in _fields(section):
        yield f"| `{path}` | {_default(field)} | {field.description} |"
    yield ""


def _models() -> Iterator[str]:
    *most, last = (f'`[models."NAME".{name}]`' for name in ModelSection.model_fields)
    yield '## `[models."NAME"]`\n'
    yield f"What one model does differently: any keys of {', '.join(most)} and {last}."
    yield "What is not there comes from the sections above.\n"


def _fields(section: type[BaseModel], within: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Of a section, and of those inside it, by their dotted names."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{within}{name}.")
        else:
            yield f"{within}{name}", field


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "—"
    return f"`{json.dumps(str(value) if isinstance(value, Path) else value)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
