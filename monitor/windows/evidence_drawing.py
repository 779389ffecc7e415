"""The distribution of the window that an incident rests on, and the names of its new categories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from monitor.counts.columns import Categorical
from monitor.counts.counts import Counts
from monitor.counts.schema import Schema
from monitor.counts.subjects import cells_of, unseen_of
from monitor.counts.summary import Part, most_frequent
from monitor.decisions.incidents import Incident
from monitor.statistics import histograms
from monitor.statistics.drift_rule import Evidence
from monitor.statistics.histograms import OTHER, Distribution
from monitor.windows.evaluator import Evaluator
from monitor.windows.panes import PaneStore, names_in
from monitor.windows.segment_explanation import explained

MOST_NAMED = 3  # new categories in the sentence of an alert
DRAWN = ("data", "prediction", "concept")  # kinds of incidents about a distribution
Tell = Callable[[Incident], Evidence]


def teller(evaluator: Evaluator, panes: PaneStore) -> Tell:
    """What people are told of an incident: its newest evidence, with what it rests on.

    That is its distribution and the names of new categories, or the segments that explain the fall
    of a metric.

    The newest evidence may be older than all panes that are kept, if the incident is only open
    because of others of its group. Then people are told again what they were told last.
    """

    def tell(incident: Incident) -> Evidence:
        evidence, told = incident.evidence, incident.told
        if told is not None and _as_judged(told, evidence) == evidence:
            return told
        if incident.kind not in (*DRAWN, "performance"):
            return evidence
        if panes.pruned_ms is not None and evidence.start_ms < panes.pruned_ms:
            return told or evidence
        if incident.kind == "performance":
            shares = explained(evaluator.profile, evaluator.outcomes, panes, evidence)
            return replace(evidence, segments=shares)
        drawn = _draw(evaluator.profile.schema, panes, incident.subject, evidence)
        return replace(evidence, distribution=drawn, detail=_detail(panes, incident, evidence))

    return tell


def _as_judged(told: Evidence, evidence: Evidence) -> Evidence:
    """Without what is added to be told; only the names of a detail are added."""
    return replace(told, distribution=None, segments=(), detail=evidence.detail)


def _detail(panes: PaneStore, incident: Incident, evidence: Evidence) -> str | None:
    """``all others`` with the most frequent of those that the reference never held."""
    detail = evidence.detail
    if detail is None or not detail.startswith(OTHER):
        return detail
    kind, _, name = incident.subject.partition("/")
    cells = f"categories/{name}" if kind == "data" else cells_of(incident.subject)
    inside = panes.between(evidence.start_ms, evidence.end_ms)
    unseen = names_in(inside, (_part(kind),)).get(unseen_of(cells), {})
    new = ", ".join(map(repr, most_frequent(unseen, MOST_NAMED)))
    return detail.replace(OTHER, f"{OTHER} (new: {new})", 1) if new else detail


def _draw(
    schema: Schema, panes: PaneStore, subject: str, evidence: Evidence
) -> Distribution | None:
    kind, _, name = subject.partition("/")
    cells, part = cells_of(subject), _part(kind)
    reference = {**schema.outputs, **schema.errors}.get(cells)
    if kind == "data":
        reference = schema.features.get(name)
        cells = f"categories/{name}" if isinstance(reference, Categorical) else cells
    live = _counts(panes, cells, part, evidence)
    if isinstance(reference, Categorical):
        return histograms.categorical(reference, live)
    return None if reference is None else histograms.numeric(reference.sample, live)


def _part(kind: str) -> Part:
    return Part.FINAL if kind == "concept" else Part.ON_TIME


def _counts(panes: PaneStore, cells: str, part: Part, evidence: Evidence) -> Counts:
    inside = panes.between(evidence.start_ms, evidence.end_ms)
    parts = (pane.cells.get(part, {}).get(cells) for pane in inside if pane is not None)
    return Counts.total(counts for counts in parts if counts is not None)
