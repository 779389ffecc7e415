"""While the API fails, a page says so, keeps what it showed, and goes on by itself."""

import pytest

from tests.dashboard.fake import ADDRESS, FakeApi, boxes, charts, model, said, shown, window

VIEWS = ("overview", "model", "drift", "alerts", "retraining")


def watching():
    api = FakeApi(model())
    api.windows["flight-delay"] = [window(1), window(2)]
    return api


@pytest.fixture
def models_known(monkeypatch):
    """The API goes away between the list of models and the page."""
    from dashboard.client import Client

    api, known = watching(), Client.models

    def models(self):
        found = known(self)
        api.down = api.fails
        return found

    api.fails = True
    monkeypatch.setattr(Client, "models", models)
    return api


@pytest.mark.parametrize("view", VIEWS)
def test_without_any_answer_a_page_says_where_it_asked_and_what_to_start(models_known, view):
    app = shown(view, models_known)
    assert not app.exception
    assert boxes(app) == ["error"]
    assert f"does not answer at {ADDRESS}. Start it with `driftline api`" in said(app)


@pytest.mark.parametrize("view", VIEWS)
def test_what_was_shown_stays_and_how_old_it_is_is_said(models_known, view):
    models_known.fails = False
    app = shown(view, models_known)
    before = (charts(app), [table.value.to_dict() for table in app.table])
    models_known.down, models_known.fails = False, True
    app.run()
    assert boxes(app)[0] == "warning"
    assert "Below is what it said last, at " in app.warning[0].value
    assert (charts(app), [table.value.to_dict() for table in app.table]) == before


def test_an_answer_about_one_window_is_never_shown_for_another(models_known):
    models_known.fails = False
    app = shown("drift", models_known, window="2013-04-01T00:00:00Z/2013-04-02T00:00:00Z")
    assert "2013-04-01" in said(app)
    models_known.down, models_known.fails = False, True
    app.query_params["window"] = "2013-04-02T00:00:00Z/2013-04-03T00:00:00Z"
    app.run()
    assert boxes(app) == ["error"]
    assert charts(app) == 0


def test_it_goes_on_when_the_api_is_back(models_known):
    app = shown("overview", models_known)
    models_known.down = models_known.fails = False
    app.run()
    assert boxes(app) == ["success"]
