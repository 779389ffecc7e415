"""A proposal of ``[[sources]]`` for topics of a service, from some of their records.

Names and values decide. What was chosen is printed, and each choice can be replaced by an option.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from consumers.attach.leaves import Leaf, arrays_of_objects, leaves_of
from driftline.configuration.json_path import Absent, JsonPath
from driftline.errors import BadInput

Table = dict[str, Any]  # of [[sources]], as TOML has it
Leaves = Mapping[str, Leaf]

_TIME = re.compile(r"time|(^|_)ts$|_at$|^at$|date|when|stamp|created|occurred")
_ID = re.compile(r"id$|^id|uuid|key$|ref|request|correlation|number$")
_SCORE = re.compile(r"score|prob|confidence|likelihood|risk|percent|pct|^p$|^p_|_p$")
_PREDICTION = re.compile(r"predict|decision|class$|approved|^yhat|^output$")
_LABEL = re.compile(r"label|outcome|truth|actual|fraud|target|result|default|churn")
# Numbers of seconds to nanoseconds since 1970 that lie between 2001 and 2100.
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_FIRST_S, _LAST_S = 978_307_200, 4_102_444_800
MOST_CLASSES = 20
_NOT_SEEN = {
    "label_id": "no value of the labels is an id of these predictions",
    "label": "nothing looks like a label",
}


class NoProposal(BadInput):
    """The records do not show what is needed. The message names the option that says it."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Paths that the user has named; they replace the choices here."""

    named: Mapping[str, str] = field(default_factory=dict)  # by field
    positive: str | None = None  # the label, or predicted class, that is 1


def predictions_table(
    model: str, documents: Sequence[Any], choices: Choices, ids: set[str] | None = None
) -> Table:
    """The table of a topic of predictions, without the topic. ``ids`` are those of the labels."""
    rows_path, leaves = _rows(documents, choices.named.get("rows"))
    at_id = _chosen(choices, "id", leaves, lambda leaf: _id_rank(leaf, ids))
    at_time = _chosen(choices, "time", leaves, _time_rank)
    score = _chosen(choices, "score", leaves, _score_rank)
    prediction = _chosen(choices, "prediction", leaves, _prediction_rank)
    fields = {
        "rows": rows_path,
        "id": at_id and at_id.path,
        "time": at_time and _time_spec(at_time),
        "model": {"value": model},
        "score": score and _score_spec(score),
        "prediction": prediction and not score and _class_spec(prediction, choices.positive),
    }
    used = {leaf.path for leaf in (at_id, at_time, score, prediction) if leaf is not None}
    features = _features(leaves, used, choices.named.get("features"))
    return {name: value for name, value in fields.items() if value} | features


def labels_table(
    model: str, documents: Sequence[Any], choices: Choices, ids: set[str]
) -> tuple[Table, set[str]]:
    """The table of a topic of labels, without the topic, and the ids that the labels have.

    ``ids`` are texts that may be ids of predictions.
    """
    rows_path, leaves = _rows(documents, choices.named.get("label_rows"))
    at_id = _chosen(choices, "label_id", leaves, lambda leaf: _overlap(leaf, ids))
    label = _chosen(choices, "label", leaves, lambda leaf: _label_rank(leaf, at_id))
    at_time = _chosen(choices, "label_time", leaves, _time_rank)
    if at_id is None or label is None:
        missing = "label_id" if at_id is None else "label"
        raise NoProposal(f"{_NOT_SEEN[missing]}: name its path with --path {missing}=PATH")
    fields = {
        "rows": rows_path,
        "id": at_id.path,
        "time": at_time and _time_spec(at_time),
        "model": {"value": model},
        "label": _class_spec(label, choices.positive),
    }
    return {name: value for name, value in fields.items() if value}, _texts(at_id)


def possible_ids(documents: Sequence[Any], rows: str | None) -> set[str]:
    """All texts and whole numbers that are unique among the rows, as texts."""
    _, leaves = _rows(documents, rows)
    unique = [leaf for leaf in leaves.values() if leaf.is_unique and leaf.kind != "mixed"]
    return {text for leaf in unique for text in _texts(leaf)}


def _rows(documents: Sequence[Any], named: str | None) -> tuple[str | None, Leaves]:
    """The path of the rows, and their leaves with those of the whole record."""
    arrays = arrays_of_objects(documents)
    path = named or max(arrays, key=arrays.__getitem__, default=None)
    if path is None:
        return None, leaves_of(documents, "$")
    pairs = list(_pairs(documents, JsonPath.parse(path)))
    whole = leaves_of([document for document, _ in pairs], "$")
    whole = {name: leaf for name, leaf in whole.items() if not name.startswith(f"{path}[")}
    return path, {**whole, **leaves_of([row for _, row in pairs], "@")}


def _pairs(documents: Sequence[Any], path: JsonPath) -> Iterator[tuple[Any, Any]]:
    """Each row with its record."""
    for document in documents:
        with suppress(Absent):
            inner = path.value(document)
            if isinstance(inner, list):
                yield from ((document, row) for row in inner)


def _chosen(
    choices: Choices, name: str, leaves: Leaves, rank: Callable[[Leaf], float]
) -> Leaf | None:
    """The leaf that the user has named, or the one of the highest rank above 0."""
    if name in choices.named:
        path = choices.named[name]
        if path not in leaves:
            known = ", ".join(sorted(leaves)[:20])
            raise NoProposal(f"no record has a value at {path}; there are values at {known}")
        return leaves[path]
    ranked = [(rank(leaf), -len(leaf.path), path) for path, leaf in leaves.items()]
    best = max(ranked, default=(0.0, 0, ""))
    return leaves[best[2]] if best[0] > 0 else None


def _id_rank(leaf: Leaf, ids: set[str] | None) -> float:
    if ids is not None:
        return _overlap(leaf, ids)
    if not leaf.is_unique or _unit(leaf) is not None or _is_rfc3339(leaf):
        return 0.0
    is_text = leaf.kind == "text"
    named = bool(_ID.search(leaf.name))
    whole = all(isinstance(value, int) for value in leaf.values)
    return 2 * named + is_text if is_text or (named and whole) else 0.0


def _overlap(leaf: Leaf, ids: set[str]) -> float:
    """The share of its values that are ids."""
    texts = _texts(leaf)
    return len(texts & ids) / len(texts) if texts else 0.0


def _texts(leaf: Leaf) -> set[str]:
    return {str(value) for value in leaf.values if type(value) in (str, int)}


def _time_rank(leaf: Leaf) -> float:
    """Whole numbers of the size of times are rarely anything else."""
    named = bool(_TIME.search(leaf.name))
    if _is_rfc3339(leaf):
        return 2.0 + 2 * named
    if _unit(leaf) is None:
        return 0.0
    whole = all(isinstance(value, int) for value in leaf.values)
    return 2.0 * named + 0.5 * whole if named or whole else 0.0


def _score_rank(leaf: Leaf) -> float:
    if not _SCORE.search(leaf.name) or not leaf.within(0, 100):
        return 0.0
    return 2.0 if leaf.within(0, 1) else 1.0


def _prediction_rank(leaf: Leaf) -> float:
    is_class = len(leaf.distinct) <= MOST_CLASSES or leaf.kind == "number"
    return float(bool(_PREDICTION.search(leaf.name)) and is_class)


def _label_rank(leaf: Leaf, of_id: Leaf | None) -> float:
    if leaf is of_id or _is_rfc3339(leaf) or _time_rank(leaf):
        return 0.0
    return 2.0 * bool(_LABEL.search(leaf.name)) + (len(leaf.distinct) == 2)


def _is_rfc3339(leaf: Leaf) -> bool:
    try:
        return leaf.kind == "text" and all(map(datetime.fromisoformat, leaf.values[:100]))
    except ValueError:
        return False


def _unit(leaf: Leaf) -> str | None:
    for unit, per_s in _UNITS.items():
        if leaf.within(_FIRST_S * per_s, _LAST_S * per_s):
            return unit
    return None


def _time_spec(leaf: Leaf) -> Any:
    unit = _unit(leaf)
    if unit is not None:
        return {"path": leaf.path, "unit": unit}
    naive = any(datetime.fromisoformat(value).tzinfo is None for value in leaf.values[:100])
    return {"path": leaf.path, "timezone": "UTC"} if naive else leaf.path


def _score_spec(leaf: Leaf) -> Any:
    return leaf.path if leaf.within(0, 1) else {"path": leaf.path, "scale": 0.01}


def _class_spec(leaf: Leaf, positive: str | None) -> Any:
    """Two texts are 0 and 1."""
    values = sorted({str(value) for value in leaf.values[:1_000]})
    if leaf.kind != "text" or len(values) != 2:
        return leaf.path
    if positive not in values:
        raise NoProposal(
            f"the values at {leaf.path} are {values[0]!r} and {values[1]!r}: say which one is 1"
            f" with --positive {values[1]}"
        )
    return {"path": leaf.path, "values": {value: int(value == positive) for value in values}}


def _features(leaves: Leaves, used: set[str], named: str | None) -> Table:
    """The object that holds most of the other leaves, or a table of paths."""
    if named is not None:
        return {"features": named}
    inner = [path for path, leaf in leaves.items() if path not in used and not _is_key(leaf)]
    parents = {path.rpartition(".")[0] for path in inner if path.count(".") > 1}
    for parent in sorted(parents, key=len):
        below = [path for path in inner if path.startswith(f"{parent}.")]
        if len(below) > len(inner) / 2 and not any(one.startswith(f"{parent}.") for one in used):
            return {"features": parent} | _excluded(leaves, parent, below)
    return {"features": {".".join(map(str, JsonPath.parse(path).steps)): path for path in inner}}


def _excluded(leaves: Leaves, parent: str, kept: Sequence[str]) -> Table:
    others = [path for path in leaves if path.startswith(f"{parent}.") and path not in kept]
    return {"exclude": [path.removeprefix(f"{parent}.") for path in others]} if others else {}


def _is_key(leaf: Leaf) -> bool:
    """Ids and times are no features."""
    is_id = leaf.is_unique and leaf.kind == "text" and len(leaf.values) >= MOST_CLASSES
    return is_id or _time_rank(leaf) >= 1
