"""Owner, description, runbook and tags: what is refused, and what a later registration changes."""

import pytest

from driftline.errors import BadInput
from producers.contract.version_info import MAX_TAGS, VersionInfo, given_info, is_link

RISK = given_info("risk", "Loans", "https://wiki.example/loans?a=b#c", ["tier=1", "cost=a=b"])


def test_info_is_what_was_given_and_a_tag_ends_at_its_first_equals_sign():
    assert VersionInfo().updated(RISK) == VersionInfo(
        owner="risk",
        description="Loans",
        runbook="https://wiki.example/loans?a=b#c",
        tags={"tier": "1", "cost": "a=b"},
    )


def test_a_later_registration_keeps_what_is_not_given_and_removes_what_is_empty():
    later = VersionInfo().updated(RISK).updated(given_info(None, "", None, ["tier=2", "cost="]))
    assert later == VersionInfo(
        owner="risk", runbook="https://wiki.example/loans?a=b#c", tags={"tier": "2"}
    )
    assert later.updated(VersionInfo()) == later


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((None, None, "wiki/loans", []), "the runbook 'wiki/loans' is not a link: expected http"),
        ((None, None, None, ["tier"]), "the tag 'tier' has no '=': expected name=value"),
        ((None, None, None, ["a b=1"]), "the tag 'a b=1' has no valid name"),
        ((None, None, None, ["=1"]), "the tag '=1' has no valid name"),
        ((None, None, None, ["a=\x00"]), "the value of the tag a has control characters"),
        (("risk\nteam", None, None, []), "the owner has control characters or line breaks"),
        ((None, "x" * 1_001, None, []), "the description has 1,001 characters: expected at most"),
    ],
)
def test_info_that_cannot_be_used_is_refused_with_a_sentence(given, why):
    with pytest.raises(BadInput, match=why):
        given_info(*given)


def test_more_tags_than_a_message_should_carry_are_refused():
    many = given_info(None, None, None, [f"t{i}=1" for i in range(MAX_TAGS + 1)])
    with pytest.raises(BadInput, match="51 tags are too many: expected at most 50"):
        VersionInfo().updated(many)


@pytest.mark.parametrize(
    "text",
    [
        *("javascript:alert(1)", "ftp://a", "http://", "https:///a", "", "//a", "http://[a"),
        *("http://a/b c", "http://a/<b>", 'http://a/"', "http://a/\n", "http://a/\\>"),
    ],
)
def test_only_an_address_of_http_or_https_is_a_link(text):
    assert not is_link(text)
    assert is_link("http://wiki.example/(a)")
