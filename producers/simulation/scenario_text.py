"""Scenarios as written on the command line: ``shift:feature=dep_delay,by=5,from=2013-05-01``."""

from __future__ import annotations

import re

import msgspec

from monitor.plan import duration_ms
from producers.contract.times import parse_time_ms
from producers.simulation.scenarios import (
    SCENARIOS,
    DurationMs,
    InvalidScenario,
    Scenario,
    TimeMs,
)

COMMON = ("from", "until")  # arguments of every scenario
EXPECTED = {
    "at": "a number",
    "by": "a number",
    "feature": "the name of a feature",
    "from": "a time such as 2013-04-01 or 2013-04-01T09:15:00Z",
    "over": "a duration above zero such as 30d or 12h",
    "proportion": "a number above 0 and at most 1, such as 0.3",
    "until": "a time such as 2013-04-01 or 2013-04-01T09:15:00Z",
    "value": "the name of a category",
}


def parse_scenario(text: str) -> Scenario:
    """From ``NAME:ARGUMENT=VALUE,…``. Raises ``InvalidScenario``."""
    name, _, rest = text.partition(":")
    if name not in SCENARIOS:
        raise InvalidScenario(f"unknown scenario {name!r}: expected one of {', '.join(SCENARIOS)}")
    arguments = dict(_argument(part) for part in rest.split(",") if part)
    _check_names(name, arguments)
    try:
        return msgspec.convert(arguments, SCENARIOS[name], strict=False, dec_hook=_time_or_duration)
    except msgspec.ValidationError as error:
        raise InvalidScenario(_value_error(name, arguments, str(error))) from error


def _argument(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _check_names(scenario: str, arguments: dict[str, str]) -> None:
    """Raises ``InvalidScenario`` for an argument that is unknown or missing."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(SCENARIOS[scenario])}
    names = sorted(fields, key=lambda name: name in COMMON)
    for name in arguments:
        if name not in fields:
            takes = ", ".join(names)
            raise InvalidScenario(f"scenario {scenario} has no argument {name!r}: it takes {takes}")
    missing = [name for name in names if fields[name].required and name not in arguments]
    if missing:
        expected = " and ".join(f"{name}= ({EXPECTED[name]})" for name in missing)
        raise InvalidScenario(f"scenario {scenario} needs {expected}")


def _time_or_duration(kind: type, text: str) -> TimeMs | DurationMs:
    """The hook of msgspec for types it does not know. Raises ``ValueError``."""
    if kind is TimeMs:
        return TimeMs(parse_time_ms(text))
    if not (value_ms := duration_ms(text)):
        raise ValueError
    return DurationMs(value_ms)


def _value_error(scenario: str, arguments: dict[str, str], message: str) -> str:
    """``message`` is msgspec's; it ends with the path of the value, such as ```$.by```."""
    (name,) = re.findall(r"`\$\.(\w+)`$", message)
    return f"scenario {scenario}: {name}={arguments[name]!r}: expected {EXPECTED[name]}"
