"""What was learned from a reference, stored: the same to the bit, and never for other windows."""

from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from monitor.plan import Budget, Drift, Plan, Time, Windows
from monitor.tasks.binary import BINARY
from monitor.windows.evaluator import Evaluator
from monitor.windows.learned import LEARNING, Learned
from producers.contract.learned import decode_learned, encode_learned, learned_key
from producers.contract.profiles import content_hash
from tests.producers.contract.test_profiles import HOUR, profile

WINDOWS = Windows(HOUR, 4 * HOUR, 4 * HOUR, 16 * HOUR)
PLAN = Plan(WINDOWS)


@cache
def learned(*, labelled: bool = True) -> Learned:
    return Learned.of(PLAN, profile(labelled=labelled))


def decoded(of: Learned) -> Learned:
    found = decode_learned(encode_learned(of, "key", BINARY), "key", BINARY)
    assert found is not None
    return found


@pytest.mark.parametrize("labelled", [True, False])
def test_decoding_is_the_inverse_of_encoding_to_the_bit(labelled):
    before, after = learned(labelled=labelled), decoded(learned(labelled=labelled))
    assert after.baseline == before.baseline
    assert after.dispersions == before.dispersions
    assert list(after.variations) == list(before.variations)
    for name, variation in before.variations.items():
        found = after.variations[name]
        assert found.factors == variation.factors
        for one, other in zip(found.lengths, variation.lengths, strict=True):
            assert (one.panes, one.excess_square) == (other.panes, other.excess_square)
            assert same(one.rows, other.rows)
            assert same(one.excess, other.excess)


def test_the_estimator_is_decoded_to_the_bit():
    before, after = learned().expectation, decoded(learned()).expectation
    assert before is not None
    assert after is not None
    assert (after.threshold, after.overdispersions) == (before.threshold, before.overdispersions)
    for name in ("curves", "cell_bins", "cell_positive"):
        assert same(getattr(after, name), getattr(before, name))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and (one == other).all()


def test_an_evaluator_judges_with_stored_figures_as_with_computed_ones():
    """All panes of the reference as one window."""
    panes = [pane.cells for pane in profile().panes]
    one, other = (
        Evaluator.of(PLAN, profile(), of).judge_data(panes, {}, complete=True, revision=0)
        for of in (None, decoded(learned()))
    )
    assert repr(one) == repr(other)


CONTENT = content_hash(profile())


def test_the_key_depends_on_windows_and_content_and_on_nothing_else_in_the_plan():
    same_windows = [
        replace(PLAN, drift=Drift(warning=Budget(2, HOUR), critical=Budget(1, HOUR))),
        replace(PLAN, time=Time(lateness_ms=1)),
    ]
    assert {learned_key(plan, CONTENT) for plan in same_windows} == {learned_key(PLAN, CONTENT)}
    others = [
        learned_key(PLAN, content_hash(profile(seed=1))),
        learned_key(Plan(replace(WINDOWS, longest_ms=8 * HOUR)), CONTENT),
        learned_key(Plan(replace(WINDOWS, length_ms=8 * HOUR)), CONTENT),
        learned_key(Plan(replace(WINDOWS, slide_ms=2 * HOUR)), CONTENT),
        learned_key(PLAN, CONTENT),
    ]
    assert len(set(others)) == len(others)


def test_the_same_budget_of_other_plans_learns_the_same():
    """So that the key may leave budgets out."""
    strict = replace(PLAN, drift=Drift(warning=Budget(1, 9 * HOUR), critical=Budget(1, 99 * HOUR)))
    other = Learned.of(strict, profile())
    assert encode_learned(other, "", BINARY) == encode_learned(learned(), "", BINARY)


def test_bytes_of_another_key_or_damaged_ones_are_of_no_use():
    value = encode_learned(learned(), "key", BINARY)
    assert decode_learned(value, "other", BINARY) is None
    damaged = bytearray(value)
    damaged[-20] ^= 1
    for bad in (b"", b"x", value[:-1], value[: len(value) // 2], bytes(damaged)):
        assert decode_learned(bad, "key", BINARY) is None


def test_a_changed_digit_is_noticed():
    envelope = msgspec.msgpack.decode(encode_learned(learned(), "key", BINARY))
    document = bytearray(
        pa.decompress(envelope["compressed"], envelope["size"], "zstd", asbytes=True)
    )
    document[document.index(b"curves") + 1_000] ^= 1
    envelope["compressed"] = pa.compress(bytes(document), "zstd", asbytes=True)
    assert decode_learned(msgspec.msgpack.encode(envelope), "key", BINARY) is None


def test_learning_has_a_new_number_when_it_learns_something_else():
    """Increase ``LEARNING`` and replace the figures if this fails: stored ones are out of date."""
    found = learned()
    assert found.expectation is not None
    variations = [
        each.allowance(panes, 40.0) for each in found.variations.values() for panes in (1, 4, 16)
    ]
    factors = [one.factor for each in found.dispersions.values() for one in each.values()]
    figures = [sum(variations), sum(factors), float(found.expectation.curves.sum())]
    assert LEARNING == 2
    assert figures == pytest.approx(FIGURES, rel=1e-9)


FIGURES = [0.8015448239316929, 36.72153429406229, 103514.77209587954]
