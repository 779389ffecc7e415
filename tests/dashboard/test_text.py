"""Sentences about the figures of a feature and their limits."""

import pytest

from api.answers import Feature, Model
from dashboard.text import about, escape, figures, finding
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


def test_a_deviation_is_shown_beside_the_limit_that_decided():
    assert plain("ks", 0.31, 0.09, 0.28, 0.05) == (
        "X 0.310. Limit 0.095 (normal variation 0.050 + noise 0.045). Sustained: 0.280."
    )
    assert plain("ks", 0.31, 0.09, 0.28, 0.01) == (
        "X 0.310. Limit 0.090 (noise). Sustained: 0.280, limit 0.055 (normal variation 0.010 + half"
        " of the noise)."
    )


def test_limits_of_categories_are_upper_bounds_with_three_quarters_of_the_noise():
    assert plain("categories", 0.3, 0.08, 0.28, 0.05) == (
        "X 0.300. Sustained: 0.280, limit at most 0.110 (normal variation 0.050 + noise 0.060)."
    )


def test_figures_that_are_unknown_are_left_out():
    assert plain("ks", 0.3, None, None, None) == "X 0.300."
    assert plain("ks", 0.3, None, 0.1, 0.2) == "X 0.300. Sustained: 0.100."
    assert plain("missing", 0.3, 0.09, None, None) == "X 0.300."


def plain(*numbers):
    return figures("X", *numbers).replace("\\", "")


def test_verdict_that_no_distance_could_change_is_explained():
    sentence = "KS 0.410. Cannot judge: the reference itself varies this much. Longer windows,"
    assert text_of(verdict="ok", severity=None, detectable=1.04).startswith(sentence)
    assert text_of(verdict="cannot_judge", severity=None).startswith(sentence)
    assert sentence not in text_of(verdict="ok", severity=None, detectable=0.9)
    assert sentence not in text_of(detectable=1.04)


def test_deciding_test_is_named_unless_it_is_the_distance_itself():
    figures = {"persistent": 0.03, "kuiper": 0.2, "statistic": 0.05}
    distance = (
        r"KS 0.050. Limit 0.165 \(normal variation 0.120 \+ noise 0.045\). Sustained\: 0.030."
    )
    assert text_of(**figures, decided_by="ks") == distance
    assert text_of(**figures, decided_by="kuiper") == (f"{distance} Decided by Kuiper, 0.200.")
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
    assert text.startswith("Largest change of a proportion 0.410. Exact test")
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
