"""What is watched, and the text of a segment."""

import re
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.identity import MAX_SEGMENT, Key, segment_pairs, segment_text

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
values = st.text(st.characters(codec="utf-8"), max_size=8)
segments = st.dictionaries(names, values, max_size=4)
surrogates = st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3)


def test_segment_names_its_values_sorted_by_name_and_percent_encoded():
    assert segment_text({"origin": "EWR", "carrier": "UA"}) == "carrier=UA&origin=EWR"
    assert segment_text({"a/b": "50 %", "c": "é=&"}) == "a%2Fb=50%20%25&c=%C3%A9%3D%26"
    assert segment_text({}) == ""


@given(segments)
def test_pairs_of_a_segment_are_read_as_they_were_written(pairs):
    text = segment_text(pairs)
    assert segment_pairs(text) == pairs
    assert segment_text(segment_pairs(text)) == text


@given(segments)
def test_text_of_a_segment_is_that_of_a_query_string_without_slashes(pairs):
    text = segment_text(pairs)
    assert dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))) == pairs
    assert re.fullmatch("[A-Za-z0-9_.~%=&-]*", text)


@given(surrogates)
def test_text_that_is_not_unicode_is_kept(text):
    assert segment_pairs(segment_text({text: text})) == {text: text}


@given(segments, segments)
def test_two_segments_have_two_texts(one, other):
    assert (segment_text(one) == segment_text(other)) == (one == other)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("carrier", id="no value"),
        pytest.param("=UA", id="no name"),
        pytest.param("carrier=UA&", id="no pair"),
        pytest.param("origin=EWR&carrier=UA", id="not sorted"),
        pytest.param("carrier=UA&carrier=B6", id="two values of a name"),
        pytest.param("carrier=U A", id="not encoded"),
        pytest.param("carrier=%55A", id="encoded without need"),
        pytest.param("carrier=%c3%a9", id="encoded in lower case"),
        pytest.param("carrier=%ff", id="not UTF-8"),
        pytest.param("carrier=a=b", id="two equal signs"),
        pytest.param(f"carrier={'a' * MAX_SEGMENT}", id="too long"),
    ],
)
def test_text_that_no_segment_has_is_refused(text):
    with pytest.raises(ValueError, match="is not a segment: expected name=value pairs, percent-e"):
        segment_pairs(text)


def test_segment_is_refused_if_its_text_is_too_long_or_a_name_is_empty():
    fits = {"a": "b" * (MAX_SEGMENT - 2)}
    assert len(segment_text(fits)) == MAX_SEGMENT
    with pytest.raises(ValueError, match="has 1,001 characters, the limit is 1,000"):
        segment_text({"a": fits["a"] + "b"})
    with pytest.raises(ValueError, match="the name of a feature is empty"):
        segment_text({"": "a"})


def test_key_is_named_after_model_version_and_segment():
    assert Key("m", "1").name == "m/1"
    assert Key("m", "1", "a=b").name == "m/1/a=b"
    assert Key("m", "1", "a=b").version_key == Key("m", "1").version_key == ("m", "1")
