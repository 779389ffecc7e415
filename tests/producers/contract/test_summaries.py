"""Summaries as bytes: exactly what was encoded, in its order."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.counts.counts import Counts
from monitor.counts.summary import Part, Summary
from producers.contract.records import END_MS
from producers.contract.summaries import decode_summaries, decode_table, encode_summaries

names = st.text(st.characters(codec="utf-8"), max_size=8)
counts = st.dictionaries(
    st.integers(0, 2**31 - 1), st.integers(-(2**62), 2**62).filter(bool), max_size=5
).map(lambda met: Counts.of(list(met), list(met.values())))
summaries = st.builds(
    Summary,
    model=names,
    version=names,
    pane_ms=st.integers(-END_MS, END_MS),
    part=st.sampled_from(Part),
    cells=st.dictionaries(names, counts, max_size=4),
    names=st.dictionaries(
        names, st.dictionaries(names, st.integers(-5, 2**40), max_size=3), max_size=3
    ),
    segment=st.sampled_from(["", "carrier=UA"]),
)


@given(st.lists(summaries, max_size=6))
def test_decoding_gives_back_what_was_encoded(many):
    assert decode_summaries(encode_summaries(many)) == many


@given(st.lists(summaries, max_size=3))
def test_the_same_summaries_give_the_same_bytes(many):
    assert encode_summaries(decode_summaries(encode_summaries(many))) == encode_summaries(many)


def test_summaries_of_the_whole_have_no_column_for_segments():
    """They are the bytes of earlier releases, which the hashes of profiles' parts cover."""
    whole = Summary("m", "1", 0, Part.ON_TIME, {"rows": Counts.of([0])})
    for many, has_column in ([whole], False), ([whole, replace(whole, segment="a=b")], True):
        table = decode_table(encode_summaries(many))
        assert ("segment" in table.column_names) == has_column


def test_two_summaries_of_one_pane_stay_two():
    one = Summary("m", "1", 0, Part.ON_TIME, {"rows": Counts.of([0])})
    assert decode_summaries(encode_summaries([one, one])) == [one, one]


def test_order_of_names_is_kept():
    cells = {name: Counts.of([0]) for name in ("b", "a", "c")}
    (decoded,) = decode_summaries(encode_summaries([Summary("m", "1", 0, Part.LATE, cells)]))
    assert list(decoded.cells) == ["b", "a", "c"]


def test_counts_are_whole_numbers_of_64_bits_again():
    counted = Counts.of([3], [2**40])
    (decoded,) = decode_summaries(
        encode_summaries([Summary("m", "1", 0, Part.LATE, {"rows": counted})])
    )
    found = decoded.cells["rows"]
    assert (found.index.dtype, found.count.dtype) == (np.int64, np.int64)
    assert found == counted


def test_a_cell_beyond_its_column_is_refused():
    with pytest.raises(ValueError, match="2147483648"):
        encode_summaries([Summary("m", "1", 0, Part.LATE, {"rows": Counts.of([2**31])})])


@pytest.mark.parametrize("value", [b"", b"not arrow", encode_summaries([])[:40]])
def test_other_bytes_are_refused(value):
    with pytest.raises(ValueError, match=r".+"):
        decode_summaries(value)


def test_cost_of_a_summary_does_not_grow_with_their_number():
    rng = np.random.default_rng(1)
    cells = {f"bins/f{i}": Counts.of(rng.integers(0, 20_001, 40)) for i in range(25)}
    many = [Summary("m", "1", pane, Part.ON_TIME, cells) for pane in range(800)]
    assert least_s(many) < 8 * 4 * least_s(many[:100])  # where it grows, this is 8 * 8


def least_s(summaries: list[Summary]) -> float:
    """Of five measurements: others use the processors too."""

    def once_s() -> float:
        start_s = time.thread_time()
        assert len(decode_summaries(encode_summaries(summaries))) == len(summaries)
        return time.thread_time() - start_s

    return min(once_s() for _ in range(5))
