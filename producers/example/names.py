"""The examples by their task: quick to import, for the options of commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class ExampleName(NamedTuple):
    model: str
    description: str


EXAMPLES: Mapping[str, ExampleName] = {
    "binary": ExampleName(
        "flight-delay", "Predicts whether a flight arrives more than 15 minutes late"
    ),
    "regression": ExampleName(
        "arrival-delay", "Predicts how many minutes late a flight arrives, when it departs"
    ),
    "multiclass": ExampleName(
        "flight-outcome",
        "Predicts whether a flight will be early, on time, late or cancelled, when it is due",
    ),
}
