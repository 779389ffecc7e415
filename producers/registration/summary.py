"""The summary of ``driftline register``: what was understood of a file of reference rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from monitor.counts.profile import Profile
from monitor.counts.values import Coded
from monitor.performance.class_cells import MOST_LISTED
from monitor.performance.overdispersion import MIN_WINDOWS
from monitor.plan import Plan, duration_text
from producers.registration.rows_file import FileRows

FEW = 5  # classes that are shown


def summary_lines(file: FileRows, profile: Profile, plan: Plan) -> list[str]:
    """Rows, score, labels, one line for each column, and what cannot be judged."""
    return [
        _rows(file),
        f"task      {profile.schema.task.name}",
        _output(file, profile),
        _labels(file, profile),
        *_features(file),
        *_segments(profile),
        *(f"not judged: {text}" for text in _not_judged(file, plan)),
    ]


def _segments(profile: Profile) -> Iterator[str]:
    """How many segments there are of each segmentation, and the largest."""
    for index in profile.schema.segmentations:
        shown = ", ".join(index.texts[:FEW]) + (", …" if len(index.texts) > FEW else "")
        yield f"segments  by {index.segmentation}: {len(index.texts)}, {shown}"


def _rows(file: FileRows) -> str:
    time_ms = file.rows.predictions.time_ms
    gaps = np.diff(time_ms)
    span, gap = int(time_ms[-1] - time_ms[0]), int(gaps.max()) if gaps.size else 0
    return (
        f"rows      {time_ms.size:,} from {_utc(time_ms[0])} to {_utc(time_ms[-1])}:"
        f" {_rounded(span)}, longest gap {_rounded(gap)}"
    )


def _output(file: FileRows, profile: Profile) -> str:
    rows, threshold = file.rows.predictions, profile.schema.threshold
    if not profile.schema.outputs:
        return "output    none: only the features are watched"
    if rows.classes is not None:
        return _classes(file, rows.classes)
    if not file.columns.task.contract.label.whole:
        name, score = file.columns.prediction or file.columns.score, rows.score
        return f"output    {name}: {np.nanmin(score):.6g} to {np.nanmax(score):.6g}"
    return (
        f"score     {file.columns.score}: {rows.score.min():.6g} to {rows.score.max():.6g};"
        f" threshold {threshold:g} ({file.threshold.why});"
        f" {rows.predicted.mean():.1%} of the predictions are positive"
    )


def _classes(file: FileRows, classes: Coded) -> str:
    task, columns = file.columns.task, file.columns
    pooled = len(task.score_names) - MOST_LISTED
    return (
        f"classes   {columns.prediction}: {len(task.score_names):,} are known,"
        f" {_most_frequent([classes.values[code] for code in classes.code.tolist()])};"
        f" {f'probabilities {columns.scores}' if columns.scores else 'no probabilities'}"
        + (f"; {pooled:,} of them are rare, and have metrics as one class" if pooled > 0 else "")
    )


def _most_frequent(names: Sequence[Any]) -> str:
    """The names of rows, the most frequent first."""
    texts = Counter(map(str, names))
    shown = ", ".join(f"{t!r} {n / len(names):.1%}" for t, n in texts.most_common(FEW))
    return shown + (", …" if len(texts) > FEW else "")


def _labels(file: FileRows, profile: Profile) -> str:
    if file.rows.label is None:
        return "labels    none: without --label"
    known = file.rows.label[file.rows.labelled]
    shown = ""
    if known.size and file.columns.task.contract.label.names:
        shown = f", {_most_frequent(file.columns.task.names(known))}"
    elif known.size:
        classes = file.columns.task.contract.label.whole
        low, high = known.min(), known.max()
        shown = f", {known.mean():.1%} positive" if classes else f", {low:.6g} to {high:.6g}"
    delays = profile.label_delay_ms
    when = "; when they come is not known (--label-time)"
    if delays:
        when = f"; half come within {_rounded(delays['p50'])}, 99% within {_rounded(delays['p99'])}"
    return (
        f"labels    {file.columns.label}: {known.size:,} of {file.rows.label.size:,} rows"
        f"{shown}{when}"
    )


def _features(file: FileRows) -> Iterator[str]:
    width = max((len(column.name) for column in file.features), default=0)
    for column in file.features:
        facts = file.facts(column)
        kind = "numeric" if column.is_numeric else "categorical"
        missing = f"{facts.missing / facts.rows:.1%} missing"
        yield (
            f"feature   {column.name:<{width}}  {kind:<11}  {missing:>13}  {facts.range}"
            f"  ({column.why})"
        )


def _not_judged(file: FileRows, plan: Plan) -> Iterator[str]:
    for column in file.features:
        if file.facts(column).different == 1:
            yield f"how {column.name!r} is distributed: the reference has only one value of it"
    if file.rows.label is None:
        yield "errors, performance and label coverage: the reference has no labels"
        return
    time_ms = file.rows.predictions.time_ms[file.rows.labelled]
    windows = np.unique(time_ms // plan.windows.length_ms).size
    if windows < MIN_WINDOWS:
        yield (
            f"performance: the reference has labels in {windows} windows of"
            f" {duration_text(plan.windows.length_ms)} (windows.length), and needs {MIN_WINDOWS}"
        )


def _rounded(ms: int) -> str:
    """In the two largest units."""
    pieces = []
    for unit, length_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        count, ms = divmod(ms, length_ms)
        if count:
            pieces.append(f"{count}{unit}")
    return " ".join(pieces[:2]) or "under a second"


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(int(ms) / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
