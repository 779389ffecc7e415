"""The distribution of the window that an incident rests on, to be kept with the incident."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from monitor.counts.columns import Categorical
from monitor.counts.counts import Counts
from monitor.counts.schema import Schema
from monitor.counts.subjects import cells_of
from monitor.counts.summary import Part
from monitor.decisions.incidents import Incident
from monitor.statistics import histograms
from monitor.statistics.drift_rule import Evidence
from monitor.statistics.histograms import Distribution
from monitor.windows.panes import PaneStore

DRAWN = ("data", "prediction", "concept")  # kinds of incidents about a distribution
Tell = Callable[[Incident], Evidence]


def teller(schema: Schema, panes: PaneStore) -> Tell:
    """What people are told of an incident: its newest evidence, with its distribution.

    The newest evidence may be older than all panes that are kept, if the incident is only open
    because of others of its group. Then people are told again what they were told last.
    """

    def tell(incident: Incident) -> Evidence:
        evidence, told = incident.evidence, incident.told
        if told is not None and replace(told, distribution=None) == evidence:
            return told
        if incident.kind not in DRAWN:
            return evidence
        if panes.pruned_ms is not None and evidence.start_ms < panes.pruned_ms:
            return told or evidence
        return replace(evidence, distribution=_draw(schema, panes, incident.subject, evidence))

    return tell


def _draw(
    schema: Schema, panes: PaneStore, subject: str, evidence: Evidence
) -> Distribution | None:
    kind, _, name = subject.partition("/")
    cells, part = cells_of(subject), Part.FINAL if kind == "concept" else Part.ON_TIME
    reference = {**schema.outputs, **schema.errors}.get(cells)
    if kind == "data":
        reference = schema.features.get(name)
        cells = f"categories/{name}" if isinstance(reference, Categorical) else cells
    live = _counts(panes, cells, part, evidence)
    if isinstance(reference, Categorical):
        return histograms.categorical(reference, live)
    return None if reference is None else histograms.numeric(reference.sample, live)


def _counts(panes: PaneStore, cells: str, part: Part, evidence: Evidence) -> Counts:
    inside = panes.between(evidence.start_ms, evidence.end_ms)
    parts = (pane.cells.get(part, {}).get(cells) for pane in inside if pane is not None)
    return Counts.total(counts for counts in parts if counts is not None)
