"""Reference and window of any doubles: every document, message and page is made, without warnings.

Warnings are errors in these tests. The rows go the whole way: profile, wire format of the profile,
evaluator, findings, messages of windows and alerts, documents of the pipeline and its HTML page.
"""

import json
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumers.batch.findings import findings_of
from consumers.batch.inputs import PipelineInputs
from consumers.batch.pipeline import pipeline
from consumers.batch.report_html import summary_html
from consumers.messages.records import Record
from consumers.messages.window_message import window_message
from consumers.messages.windows import WindowMessage, decode_window
from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Windows
from monitor.tasks.binary import BINARY
from monitor.windows.evaluator import Evaluator
from producers.contract.profiles import ProfileReader, content_hash, encode_profile
from tests.monitor.doubles import EDGES, LARGEST, SENTINELS, SMALLEST, any_double, finite, score

PLAN = Plan(
    Windows(12 * HOUR, DAY, DAY, 2 * DAY),
    drift=Drift(warning=Budget(1, 30 * DAY), critical=Budget(1, 60 * DAY)),
)
REFERENCE, LIVE, PER_DAY = range(10), range(10, 13), 12  # days
SAMPLE_SIZE = 60  # of the 120 reference rows


@dataclass(frozen=True)
class Values:
    """The values that the rows are drawn from."""

    reference: tuple[float, ...]
    live: tuple[float, ...]
    reference_scores: tuple[float, ...] = (0.1, 0.4, 0.8)
    live_scores: tuple[float, ...] = (0.1, 0.4, 0.8)
    rare: tuple[float, ...] = ()  # each in one row of the reference, which its sample may lack
    seed: int = 0


def scored(values, scores, days: range, seed: int, rare=()) -> ReferenceRows:
    rng = np.random.default_rng(seed)
    n = len(days) * PER_DAY
    x = np.concatenate([rare, values, rng.choice(values, n)])[:n]
    score = rng.choice(scores, n)
    label = np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])
    rows = Predictions(
        ids=[f"{days.start}/{i}" for i in range(n)],
        time_ms=(20_000 + days.start) * DAY + np.arange(n) * (DAY // PER_DAY),
        score=score,
        predicted=(score >= 0.5).astype(np.int64),
        features={"x": rng.permutation(x), "whole": rng.integers(0, 9, n)},
    )
    return ReferenceRows(rows, label, rows.time_ms + HOUR)


def inputs(values: Values) -> PipelineInputs:
    reference = scored(
        values.reference, values.reference_scores, REFERENCE, values.seed, values.rare
    )
    live = scored(values.live, values.live_scores, LIVE, values.seed + 1)
    with mock.patch("monitor.counts.profile.SAMPLE_SIZE", SAMPLE_SIZE):
        profile = build_profile(
            "m",
            "1",
            reference,
            pane_ms=PLAN.windows.pane_ms,
            threshold=0.5,
            seed=values.seed,
            task=BINARY,
        )
    return PipelineInputs(decoded(profile), live, None)


def decoded(profile: Profile) -> Profile:
    """The profile as it is read from its messages."""
    reader = ProfileReader()
    (found,) = [
        found for key, value in encode_profile(profile) if (found := reader.add(key, value))
    ]
    assert content_hash(found) == content_hash(profile)
    before, after = profile.schema.features["x"], found.schema.features["x"]
    assert (before.low, before.high) == (after.low, after.high)
    assert before.sample.values.tobytes() == after.sample.values.tobytes()
    return found


def messages(of_inputs: PipelineInputs) -> list[WindowMessage]:
    _, findings = findings_of(Evaluator.of(PLAN, of_inputs.profile), of_inputs.rows)
    return [window_message(window, 0.05) for window in findings.windows]


def x_of(message: WindowMessage) -> dict[str, Any]:
    return msgspec.to_builtins(message.data.features[0])


floats = st.lists(any_double, min_size=1, max_size=12).map(tuple)
any_values = st.builds(
    Values,
    st.tuples(floats, finite).map(lambda both: (*both[0], both[1])),
    floats,
    st.lists(score, min_size=1, max_size=6).map(tuple),
    st.lists(score, min_size=1, max_size=6).map(tuple),
    st.lists(any_double, max_size=3).map(tuple),
    st.integers(0, 9),
)
BEYOND_SAMPLE = {  # the seed decides it
    **{
        name: Values((1.0, 2.0, 7.0), (0.5, 3.5, 9.0), rare=(value,), seed=2)
        for name, value in SENTINELS.items()
    },
    "more than a double holds": Values((0.1, 0.2), (0.3, 9.0), rare=(LARGEST, -LARGEST), seed=2),
}
NAMED = {
    **BEYOND_SAMPLE,
    "in the sample": Values((1.0, 2.0, 7.0, 1e200), (1.0, 3.5, 7.0)),
    "both ends": Values((-LARGEST, LARGEST), (LARGEST, 0.0, -LARGEST)),
    "huge live rows": Values((0.1, 0.2), (LARGEST, -LARGEST, 1e200)),
    "subnormal": Values((SMALLEST, 1e-310, 3e-310), (0.0, 2e-310, -1e-310)),
    "subnormal beside the largest": Values((SMALLEST, 1e-310, LARGEST), (0.0, 2e-310)),
    "infinities": Values((np.inf, -np.inf, 1e200, 1.0), (np.inf, -np.inf, 1.0)),
    "constant and huge": Values((LARGEST,), (LARGEST, -LARGEST)),
    "every edge": Values((*EDGES, np.inf), (*EDGES, -np.inf)),
    "subnormal scores": Values((1.0, 2.0), (1.0,), (SMALLEST, 1e-310, 0.0), (SMALLEST, 1.0)),
}


def assert_documents_and_page_are_made(values: Values) -> None:
    steps = list(pipeline(PLAN, inputs(values)))
    documents = {step.name: step.document for step in steps}
    for document in documents.values():
        json.dumps(document, allow_nan=False)
    page = summary_html(documents, {step.name: step.sentence for step in steps})
    assert "</html>" in page


@settings(max_examples=20)
@given(values=any_values)
@example(values=NAMED["every edge"])
@example(values=NAMED["1e200"])
@example(values=NAMED["more than a double holds"])
def test_window_messages_of_any_doubles_are_read_as_they_were_written(values):
    for message in messages(inputs(values)):
        encoded = msgspec.json.encode(message)
        json.loads(encoded, parse_constant=pytest.fail)
        assert decode_window(Record("windows", 0, 0, None, encoded)) == message


@settings(max_examples=10)
@given(values=any_values)
def test_documents_and_page_are_made_for_any_doubles(values):
    assert_documents_and_page_are_made(values)


@pytest.mark.parametrize("values", BEYOND_SAMPLE.values(), ids=BEYOND_SAMPLE)
def test_the_sample_of_the_examples_lacks_the_sentinel(values):
    x = inputs(values).profile.schema.features["x"]
    assert x.high == max(values.rare)
    assert not np.isin(values.rare, x.sample.values).any()


@pytest.mark.parametrize("values", NAMED.values(), ids=NAMED)
def test_documents_and_page_are_made_for_extreme_values(values):
    assert_documents_and_page_are_made(values)


def ranked(values: Values) -> Values:
    """The positions of the values in their common order; infinities stay."""
    every = np.unique(np.array([*values.reference, *values.live, *values.rare]) + 0.0)

    def ranks(part: tuple[float, ...]) -> tuple[float, ...]:
        places = np.searchsorted(every, np.array(part) + 0.0).astype(float)
        return tuple(np.where(np.isfinite(part), places, part).tolist())

    return replace(
        values,
        reference=ranks(values.reference),
        live=ranks(values.live),
        rare=ranks(values.rare),
    )


@settings(max_examples=10)
@given(values=any_values)
@example(values=NAMED["both ends"])
@example(values=NAMED["subnormal beside the largest"])
@example(values=NAMED["every edge"])
def test_every_other_figure_depends_on_the_order_of_the_values_alone(values):
    for raw, by_rank in zip(
        messages(inputs(values)), messages(inputs(ranked(values))), strict=True
    ):
        one, other = x_of(raw), x_of(by_rank)
        for figures in (one, other):
            figures["effects"].pop("wasserstein")
            for value in ("edges", "at", "reference_median", "window_median"):
                del figures["distribution"][value]
        assert one == other
