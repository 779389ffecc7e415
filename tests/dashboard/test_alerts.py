"""The page of alerts: open incidents first, then resolved ones, each with evidence and links."""

from dashboard.segment_charts import cause_rows
from tests.dashboard.documents import DISTRIBUTION, incident, model, window
from tests.dashboard.fake import FakeApi, boxes, charts, open_page, page_text

RESOLVED = {"state": "resolved", "resolved_at": "2013-04-05T00:00:00Z"}


def api_with(*incidents):
    api = FakeApi(model())
    api.windows["flight-delay"] = [window()]
    api.incidents["flight-delay"] = list(incidents)
    return api


def test_page_without_open_incidents_says_so():
    app = open_page("alerts", api_with())
    assert boxes(app) == ["success"]
    assert "No open incidents." in page_text(app)


def test_open_incidents_come_before_resolved_ones():
    resolved = incident("a", message="It is over.", **RESOLVED)
    app = open_page("alerts", api_with(resolved, incident("b", message="It is open.")))
    assert "It is open." in page_text(app)
    assert [s.value for s in app.subheader] == ["Open (1)", "Resolved"]


def test_resolved_incidents_are_rows_that_lead_to_their_evidence():
    drawn = {**incident()["evidence"], "distribution": DISTRIBUTION}
    (table,) = open_page("alerts", api_with(incident(evidence=drawn, **RESOLVED))).table
    assert table.value.index.tolist() == ["◆ [**temp** (data)](alerts?incident=91ab)"]
    assert table.value.iloc[0].tolist() == [
        "2013-04-03 to 2013-04-05",
        "Median **1,008**, normal 50",
    ]


def test_resolved_incidents_are_filtered_by_kind():
    other = incident("b", kind="quality", subject="quality/dewp", **RESOLVED)
    app = open_page("alerts", api_with(incident(**RESOLVED), other))
    app.selectbox[0].select("quality").run()
    assert app.table[0].value.index.tolist() == ["◆ [**dewp** (quality)](alerts?incident=b)"]


def test_worst_incident_comes_first_then_the_one_farthest_beyond_its_limit():
    far = {**incident()["evidence"], "value": 0.9}
    minor = incident("a", severity="warning", subject="data/minor")
    app = open_page(
        "alerts", api_with(minor, incident("b"), incident("c", subject="data/far", evidence=far))
    )
    order = [m.value.split("**")[1] for m in app.markdown if "badge" in m.value]
    assert order == ["far", "temp", "minor"]
    assert "3 data" in page_text(app)


def test_evidence_is_drawn_from_the_window_of_the_incident_whatever_its_length():
    long = {"start": "2013-04-02T08:00:00Z", "end": "2013-04-14T08:00:00Z"}
    drawn = {**incident()["evidence"], "distribution": DISTRIBUTION, "window": long}
    app = open_page("alerts", api_with(incident(evidence=drawn)), incident="91ab")
    assert charts(app) == 2
    assert "**temp**: reference, and 2013-04-02 08:00 to 2013-04-14 08:00" in page_text(app)
    assert "Median 1,008, in the reference 50." in page_text(app)
    assert "**What to do**: Compare the two distributions" in page_text(app)


def test_segments_that_explain_a_fall_are_drawn_the_largest_part_first():
    segments = [
        {"segment": "origin=EWR", "share": 0.3, "within": 0.1, "mix": 0.2},
        {"segment": "origin=JFK", "share": 0.6, "within": 0.7, "mix": -0.1, "incident": True},
        {"segment": "origin=LGA", "incident": True},
    ]
    rows = cause_rows({"segments": segments})
    jfk, ewr = ["origin=JFK"] * 2, ["origin=EWR"] * 2
    assert list(rows["segment"]) == jfk + ewr
    assert list(rows["value"]) == [0.7, -0.1, 0.1, 0.2]
    evidence = {**incident()["evidence"], "decided_by": "recall", "segments": segments}
    recall = incident(kind="performance", subject="performance/recall", evidence=evidence)
    app = open_page("alerts", api_with(recall), incident="91ab")
    assert charts(app) == 1
    assert "Which segments explain the fall" in page_text(app)


def test_performance_incident_links_to_the_model():
    recall = incident(kind="performance", subject="performance/recall")
    text = page_text(open_page("alerts", api_with(recall)))
    assert "◆ **Recall** (performance)" in text
    assert "[Metrics over time] model {}" in text


def test_data_and_quality_incidents_link_to_the_feature_in_their_window():
    temp, dewp = incident("x"), incident("y", kind="quality", subject="quality/dewp")
    text = page_text(open_page("alerts", api_with(temp, dewp)))
    at = "'window': '2013-04-02T00:00:00Z/2013-04-03T00:00:00Z'"
    assert f"[Distribution] drift {{'feature': 'temp', {at}, 'incident': 'x'}}" in text
    assert f"[Distribution] drift {{'feature': 'dewp', {at}, 'incident': None}}" in text


def test_address_of_an_incident_shows_its_history():
    app = open_page("alerts", api_with(incident("x"), incident("y")), incident="x")
    text = page_text(app)
    assert "**Opened** 2013-04-03 00:00 · data/temp\\: the distribution moved" in text
    assert "Evidence of the window 2013-04-02: KS 0.410." in text


def test_unknown_incident_shows_the_problem_beside_the_others():
    app = open_page("alerts", api_with(incident()), incident="gone")
    assert "The API returned an error: there is no such incident." in page_text(app)
    assert "Open (1)" in page_text(app)


def test_text_of_an_incident_is_not_markdown():
    loud = incident(subject="data/[x](http://evil)", message="**bold** :red[text] $x$")
    text = page_text(open_page("alerts", api_with(loud)))
    assert r"\*\*bold\*\* \:red\[text\] \$x\$" in text
    assert "[x](http" not in text.replace("{'feature': '[x](http", "")


def test_evidence_of_an_incident_is_escaped_once():
    evidence = {"decided_by": "ks", "value": 0.4, "grouped": ["data/dep_delay"]}
    detailed = {**evidence, "decided_by": "categories", "detail": "'JFK': 20% before, 40% now"}
    resolved = incident("x", evidence=evidence, **RESOLVED)
    app = open_page("alerts", api_with(resolved, incident("y", evidence=detailed)), incident="y")
    assert r"'JFK'\: 20% before" in page_text(app)
    assert r"\\" not in page_text(app)
