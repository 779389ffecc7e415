"""The texts of a summary: values outside the reference, limited in number and length."""

from collections import Counter
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.counts.summary import MAX_NAME_LENGTH, SHOWN_NAMES, add_names, most_frequent, shortened

MOST = 3
texts = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 5), max_size=8)
names = st.dictionaries(st.sampled_from(["unseen/carrier", "unknown"]), texts, max_size=2)


def pairwise_sum(many):
    return reduce(lambda a, b: add_names([a, b], MOST), many, {})


@given(parts=st.lists(texts, max_size=6))
@settings(max_examples=30)
def test_add_names_counts_few_texts_exactly(parts):
    total = sum(map(Counter, parts), Counter())
    assert add_names([{"unknown": part} for part in parts]).get("unknown", {}) == total


@given(many=st.lists(names, max_size=6), data=st.data())
@settings(max_examples=40)
def test_add_names_does_not_depend_on_order_or_grouping(many, data):
    shuffled = data.draw(st.permutations(many))
    assert pairwise_sum(many) == pairwise_sum(shuffled) == add_names(many, MOST)


@given(parts=st.lists(texts, max_size=6))
@settings(max_examples=40)
def test_add_names_limits_the_number_of_texts_and_keeps_their_counts_exact(parts):
    total = sum(map(Counter, parts), Counter())
    kept = pairwise_sum([{"unknown": part} for part in parts]).get("unknown", {})
    assert len(kept) == min(MOST, len(total))
    assert all(total[text] == count for text, count in kept.items())


@given(texts=texts)
def test_most_frequent_texts_come_first_and_ties_in_alphabetical_order(texts):
    ranked = sorted(texts.items(), key=lambda pair: (-pair[1], pair[0]))
    assert list(most_frequent(texts, MOST).items()) == ranked[:MOST]


def test_most_frequent_returns_at_most_fifty_texts():
    assert len(most_frequent({str(i): 1 for i in range(100)})) == SHOWN_NAMES == 50


def test_shortened_keeps_the_first_200_characters():
    assert shortened("x" * 1_000_000) == "x" * MAX_NAME_LENGTH
    assert shortened("short") == "short"
