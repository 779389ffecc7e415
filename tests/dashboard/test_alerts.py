"""The alerts: open ones first, then those that are over, each with its evidence and a link."""

from tests.dashboard.fake import FakeApi, boxes, incident, model, said, shown, window

OVER = {"state": "resolved", "resolved_at": "2013-04-05T00:00:00Z"}


def watching(*incidents):
    api = FakeApi(model())
    api.windows["flight-delay"] = [window()]
    api.incidents["flight-delay"] = list(incidents)
    return api


def test_nothing_open_is_said_in_words():
    app = shown("alerts", watching())
    assert boxes(app) == ["success"]
    assert "Nothing is open." in said(app)


def test_open_ones_come_first():
    over = incident("a", message="It is over.", **OVER)
    app = shown("alerts", watching(over, incident("b", message="It is open.")))
    markdown = [m.value for m in app.markdown]
    assert markdown.index("It is open.") < markdown.index("It is over.")
    assert [s.value for s in app.subheader] == ["Open (1)", "Over"]


def test_one_that_is_over_tells_from_when_to_when_and_its_last_numbers():
    words = said(shown("alerts", watching(incident(**OVER))))
    assert "✔ **temp** (data) · critical · resolved · from 2013-04-03 to 2013-04-05" in words
    assert "distance 0.410, where sampling noise explains 0.090, rows 900." in words


def test_an_incident_of_performance_leads_to_the_model():
    recall = incident(kind="performance", subject="performance/recall")
    words = said(shown("alerts", watching(recall)))
    assert "◆ **Recall** (performance)" in words
    assert "[Over time] model {}" in words


def test_an_address_reopens_one_incident_with_its_whole_story():
    app = shown("alerts", watching(incident("x"), incident("y")), incident="x")
    assert "**opened** 2013-04-03 00:00 · data/temp\\: the distribution moved" in said(app)
    assert "Evidence: KS distance 0.410" in said(app)


def test_an_incident_that_is_not_there_is_said_and_the_others_stay():
    app = shown("alerts", watching(incident()), incident="gone")
    assert "The API has no answer: there is no such incident." in said(app)
    assert "Open (1)" in said(app)


def test_what_others_wrote_is_no_markdown():
    loud = incident(subject="data/[x](http://evil)", message="**bold** :red[text] $x$")
    words = said(shown("alerts", watching(loud)))
    assert r"\*\*bold\*\* \:red\[text\] \$x\$" in words
    assert "[x](http" not in words.replace("{'feature': '[x](http", "")
