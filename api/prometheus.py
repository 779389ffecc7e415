"""Gauges in the text format of Prometheus, version 0.0.4. By hand: it is a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


Sample = tuple[dict[str, str], float | None]


class Gauge(NamedTuple):
    """One name, and a value for each set of labels; None is left out."""

    name: str
    help: str
    samples: Iterable[Sample]


def exposition(gauges: Iterable[Gauge]) -> str:
    return "".join(f"{line}\n" for gauge in gauges for line in _lines(gauge))


def _lines(gauge: Gauge) -> Iterator[str]:
    yield f"# HELP {gauge.name} {gauge.help}"
    yield f"# TYPE {gauge.name} gauge"
    for labels, value in gauge.samples:
        if value is not None:
            yield f"{gauge.name}{_labels(labels)} {float(value)!r}"


def _labels(labels: dict[str, str]) -> str:
    inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
