"""Sentences about the figures of a feature and their limits."""

import pytest

from api.answers import Feature, Model
from dashboard.text import about, escape, finding, limits
from tests.dashboard.documents import drifted, model


def text_of(**fields):
    return finding(Feature.model_validate(drifted("temp", **fields)))


def about_model(**fields):
    registered = {"state": "registered", "state_since": None}
    return about(Model.model_validate({**model(), **registered, **fields}))


def test_owner_runbook_and_tags_of_a_model_are_plain_text_apart_from_the_link():
    link = "https://wiki.example/a_b"
    assert about_model(owner="*risk*", description="L_1", runbook=link, tags={"tier": "1"}) == [
        "L\\_1",
        "State: registered",
        "Owner: \\*risk\\*",
        "Runbook: [https\\://wiki.example/a\\_b](<https://wiki.example/a_b>)",
        "Tags: tier=1",
    ]
    assert about_model() == ["State: registered"]


def test_state_of_a_model_is_shown_with_who_changed_it_when_and_why():
    changed = {"state": "retired", "state_by": "ada", "state_why": "*old*"}
    (line,) = about_model(**changed, state_since="2026-01-02T00:00:00Z")
    assert line == "State: retired since 2026-01-02, by ada\\: \\*old\\*"


@pytest.mark.parametrize("runbook", ["javascript:alert(1)", "https://a/>b", "page 7"])
def test_runbook_that_is_not_an_http_address_is_not_a_link(runbook):
    assert about_model(runbook=runbook)[1:] == [f"Runbook: {escape(runbook)}"]


def test_both_conditions_are_shown_with_their_figures():
    assert limits("ks", 0.09, 0.28, 0.05) == (
        "Limit 0.090 (sampling noise); sustained 0.280, limit 0.095 (normal variation 0.050 + half"
        " of the noise 0.045)."
    )


def test_limits_of_categories_are_upper_bounds_with_three_quarters_of_the_noise():
    assert limits("categories", 0.08, 0.28, 0.05) == (
        "Limit at most 0.080 (sampling noise); sustained 0.280, limit at most 0.110 (normal"
        " variation 0.050 + three quarters of the noise 0.060)."
    )


@pytest.mark.parametrize("test", ["missing", "coverage"])
def test_noise_limit_of_an_exact_test_is_an_approximation(test):
    assert limits(test, 0.09, None, None) == "Limit about 0.090 (sampling noise)."


def test_limits_without_figures_are_left_out():
    assert limits("ks", None, None, None) == ""
    assert limits("ks", None, 0.1, 0.2) == "Sustained 0.100."


def test_verdict_that_no_distance_could_change_is_explained():
    sentence = "No drift can be detected: in the reference itself, windows differ this much."
    assert text_of(verdict="ok", severity=None, detectable=1.04).endswith(sentence)
    assert sentence not in text_of(verdict="ok", severity=None, detectable=0.9)
    assert sentence not in text_of(detectable=1.04)


def test_deciding_test_is_named_unless_it_is_the_distance_itself():
    figures = {"persistent": 0.03, "kuiper": 0.2, "statistic": 0.05}
    distance = (
        "KS distance 0.050 from the reference. Limit 0.090 (sampling noise); sustained 0.030,"
        " limit 0.165 (normal variation 0.120 + half of the noise 0.045)."
    )
    assert text_of(**figures, decided_by="ks") == distance
    assert text_of(**figures, decided_by="kuiper") == (
        f"{distance} Decided by the Kuiper distance, 0.200."
    )
    assert text_of(**figures, decided_by="wilcoxon", wilcoxon=0.3, detail="higher") == (
        f"{distance} Decided by the rank test: values are higher (Cliff's delta 0.300)."
    )
    assert text_of(**figures, decided_by="mood", mood=0.1, detail="wider") == (
        f"{distance} Decided by the spread: values are wider (Mood's score 0.100)."
    )
    assert text_of(**figures) == distance  # a window without the deciding test


def test_changed_category_is_named_and_escaped_once():
    text = text_of(
        kind="categorical", decided_by="categories", detail="'*UA*': 20% before, 40% now"
    )
    assert text.startswith("Largest change of a proportion 0.410 from the reference.")
    assert text.endswith(r" Changed most: '\*UA\*'\: 20% before, 40% now.")


@pytest.mark.parametrize(("severity", "shown"), [(None, False), ("warning", True)])
def test_invalid_values_are_mentioned_only_if_they_are_significant(severity, shown):
    sentence = (
        "The proportion of invalid values (missing or of a wrong type) differs from the reference"
        " by 12.0 percentage points: warning."
    )
    quality = {"deviation": 0.12, "verdict": "drift" if severity else "ok", "severity": severity}
    assert (sentence in text_of(quality=quality)) is shown


def test_escaped_text_contains_no_markdown():
    assert escape("a*b*:red[c] $x$") == r"a\*b\*\:red\[c\] \$x\$"
