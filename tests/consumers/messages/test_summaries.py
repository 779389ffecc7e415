"""Summaries in messages: nothing is lost, and no message grows too large."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumers.messages.arrow import ARROW_HEADERS, read_arrow
from consumers.messages.reading import ForeignMessage, MalformedMessage
from consumers.messages.records import Record
from consumers.messages.summaries import (
    decode_summary_message,
    encode_pieces,
    model_partition,
    named_models,
    summary_messages,
)
from monitor.counts.counts import Counts
from monitor.counts.summary import Part, Summary
from tests.consumers.in_memory import T0, pane_sums

LIMIT = 512_000
DAY = 86_400_000

incompressible = np.random.default_rng(7)


def random_counts(cells: int) -> Counts:
    index: NDArray[np.int64] = np.sort(incompressible.choice(2**31 - 1, cells, replace=False))
    return Counts(index, incompressible.integers(1, 2**62, cells))


def summary(cells: dict[str, Counts], names: Any = None, pane_ms: int = T0) -> Summary:
    return Summary("flight-delay", "1", pane_ms, Part.ON_TIME, cells, names or {})


def text(length: int) -> str:
    return "".join(map(chr, incompressible.integers(0x4E00, 0x9FFF, length)))


@pytest.mark.parametrize(
    "many",
    [
        pytest.param([], id="nothing"),
        pytest.param([summary({})], id="a summary of nothing"),
        pytest.param(
            [summary({f"bins/{i}": random_counts(20_001) for i in range(12)})],
            id="a dozen features with a count in every bin",
        ),
        pytest.param(
            [summary({f"quality/feature-number-{i}": random_counts(1) for i in range(12_000)})],
            id="twelve thousand features with a cell each",
        ),
        pytest.param(
            [summary({"rows": random_counts(1)}, pane_ms=T0 + i * DAY) for i in range(9_000)],
            id="a row in each of nine thousand panes",
        ),
        pytest.param(
            [
                summary(
                    {"rows": random_counts(1)},
                    {f"unseen/{i}": {text(200): 1 for _ in range(200)} for i in range(10)},
                )
            ],
            id="the longest texts, as many as are kept, in another script",
        ),
        pytest.param(
            [summary({f"bins/{text(100)}": random_counts(3) for _ in range(3_000)})],
            id="long names of features",
        ),
    ],
)
def test_summaries_of_any_size_fit_their_messages_and_add_up_to_the_same(many):
    messages = encode_pieces(many)
    assert all(len(message) < LIMIT for message in messages)
    assert sums(messages) == sums_of(many)
    if sum(len(m) for m in messages) > 2 * LIMIT:
        assert sum(len(m) for m in messages) / len(messages) > LIMIT / 8  # and not in crumbs


names = st.sampled_from(["rows", "score", "bins/x", "bins/y", "quality/x", "outcomes"])
counts = st.dictionaries(st.integers(0, 50), st.integers(-3, 3).filter(bool), max_size=9).map(
    lambda counts: Counts.of(list(counts), list(counts.values()))
)
some_summaries = st.lists(
    st.builds(
        Summary,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["1", "2"]),
        st.integers(0, 2).map(lambda n: T0 + n),
        st.sampled_from(Part),
        st.dictionaries(names, counts, max_size=4),
        st.dictionaries(
            st.sampled_from(["unknown", "unseen/c"]),
            st.dictionaries(st.text(max_size=3), st.integers(1, 9), max_size=3),
            max_size=2,
        ),
    ),
    max_size=8,
)


@given(many=some_summaries, most=st.integers(40, 2_000))
@settings(max_examples=40, deadline=None)
def test_summaries_add_up_to_the_same_however_they_are_split(many, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumers.messages.summaries.MOST_BYTES", most)
        messages = encode_pieces(many)
    assert sums(messages) == sums_of(many)


def sums(messages: list[bytes]) -> Any:
    return pane_sums(
        Record("summaries", 0, i, None, value, ARROW_HEADERS) for i, value in enumerate(messages)
    )


def sums_of(many: list[Summary]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.consumers.in_memory.summaries", lambda _: many)
        return pane_sums([])


def test_summaries_of_a_model_go_to_the_partition_of_the_model():
    (message,) = summary_messages("flight-delay", [summary({"rows": Counts.of([0])})], 4)
    assert (message.topic, message.key, message.partition) == ("summaries", b"flight-delay", 3)


def test_a_model_keeps_its_partition():
    """The hash is part of the format: with another one, a model's counts would be split."""
    assert [model_partition(m, 4) for m in ("flight-delay", "credit", "ä")] == [3, 2, 3]


@pytest.mark.parametrize(
    ("counts", "width"),
    [([1, 127], "int8"), ([-128, 1], "int8"), ([128], "int16"), ([2**31], "int64")],
)
def test_counts_of_a_message_are_the_smallest_integers_that_hold_them(counts, width):
    cells = Counts(np.arange(len(counts)), np.array(counts))
    (message,) = summary_messages("m", [summary({"rows": cells})], 1)
    _, table = read_arrow(message.value, "summaries")
    assert str(table["count"].type.value_type) == width
    record = Record("summaries", 0, 0, None, message.value, message.headers)
    (sums,) = pane_sums([record]).values()
    assert sums[0]["rows"] == cells


@pytest.mark.parametrize(
    ("key", "value", "models"),
    [
        (b"m", b"junk", {"m"}),
        (b"m", b'{"model": "n"}', {"m"}),  # the key decides
        (None, b'{"schema": 9, "model": "n"}', {"n"}),
        (None, b'{"versions": [{"model": "n", "version": "1"}, {"model": "o"}, {}]}', {"n", "o"}),
        (None, b'{"schema": 1}', set()),
        (None, b'{"versions": 3}', set()),
        (None, b"junk", set()),
        (None, None, set()),
    ],
)
def test_models_of_a_message_are_its_key_or_those_that_its_json_names(key, value, models):
    assert named_models(Record("summaries", 0, 0, key, value)) == models


def _damaged(value: bytes, at: int, bits: int) -> bytes:
    return value[:at] + bytes([value[at] ^ bits]) + value[at + 1 :]


@given(st.integers(0, 10**6), st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_damaged_summaries_are_read_refused_or_foreign_and_never_end_the_process(at, bits):
    """Arrow does not check offsets when it reads."""
    (value,) = encode_pieces([summary({"rows": Counts.of([0]), "bins/x": random_counts(9)})])
    message = Record("summaries", 0, 0, b"m", _damaged(value, at % len(value), bits), ARROW_HEADERS)
    with suppress(ForeignMessage, MalformedMessage):
        decode_summary_message(message)


@pytest.mark.parametrize("version", ["", "x/y", "a\x00b"])
def test_a_version_whose_state_could_not_be_published_is_malformed(version):
    """``detect`` would write state under a key that it cannot read again."""
    (message,) = summary_messages("m", [Summary("m", version, 0, Part.LATE, {})], 1)
    with pytest.raises(MalformedMessage, match="is not the name of a model or version"):
        decode_summary_message(Record("summaries", 0, 0, None, message.value, message.headers))
