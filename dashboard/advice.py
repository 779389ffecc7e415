"""What to look at first, by kind of incident; ``docs/runbook.md`` has the whole of it."""

from __future__ import annotations

from collections.abc import Mapping

ADVICE: Mapping[str, str] = {
    "data": "Compare the two distributions: a constant factor or offset points to a changed unit, a"
    " single spike to a default value or a stuck sensor, a cut-off tail to a filter upstream. A"
    " fault: fix it upstream. A real change: watch the metrics, and retrain if they fall.",
    "quality": "Other features of the same incident probably share a failed source: a join, an"
    " upstream service, a renamed column. Fix it upstream; the incident resolves by itself.",
    "prediction": "Open incidents of `data/…` for the same window are usually the cause. If there"
    " are none, check the model itself: a new release, another threshold, a changed calibration.",
    "concept": "See whether the errors became larger. If they did, and the scores are as before,"
    " the outcome has changed: check the labels, then retrain.",
    "performance": "Check first that the labelled rows are a fair sample. Earlier incidents of"
    " `data/…` are the likely cause. Input or labels wrong: fix them. The model has aged: retrain.",
    "coverage": "Labels are missing or late: check their feed. Performance of these windows is"
    " judged on fewer rows.",
    "traffic": "See whether the service still publishes, and whether rows become dead letters or"
    " come too late. More rows than usual: a backfill, or rows that are sent twice.",
    "driftline": "Records were deleted before they were read: make the retention of the topic"
    " longer, or start more workers.",
}
