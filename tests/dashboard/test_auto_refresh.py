"""While the API fails, a page says so, keeps the last data, and recovers by itself."""

import pytest

from tests.dashboard.documents import model, window
from tests.dashboard.fake import ADDRESS, FakeApi, boxes, charts, open_page, page_text

VIEWS = ("overview", "model", "drift", "alerts", "retraining")


def api_with():
    api = FakeApi(model())
    api.windows["flight-delay"] = [window(1), window(2)]
    return api


@pytest.fixture
def failing_api(monkeypatch):
    """The API fails between the list of models and the page."""
    from dashboard.client import Client

    api, original = api_with(), Client.models

    def models(self):
        result = original(self)
        api.down = api.fails
        return result

    api.fails = True
    monkeypatch.setattr(Client, "models", models)
    return api


@pytest.mark.parametrize("view", VIEWS)
def test_page_without_data_shows_the_address_and_the_command_that_starts_the_api(failing_api, view):
    app = open_page(view, failing_api)
    assert not app.exception
    assert boxes(app) == ["error"]
    assert f"at {ADDRESS} is not reachable. Start it with `driftline api`" in page_text(app)


@pytest.mark.parametrize("view", VIEWS)
def test_page_keeps_the_last_data_and_shows_its_time(failing_api, view):
    failing_api.fails = False
    app = open_page(view, failing_api)
    before = (charts(app), [table.value.to_dict() for table in app.table])
    failing_api.down, failing_api.fails = False, True
    app.run()
    assert boxes(app)[0] == "warning"
    assert "Showing data from " in app.warning[0].value
    assert (charts(app), [table.value.to_dict() for table in app.table]) == before


def test_data_of_one_window_is_never_shown_for_another(failing_api):
    failing_api.fails = False
    app = open_page("drift", failing_api, window="2013-04-01T00:00:00Z/2013-04-02T00:00:00Z")
    assert "2013-04-01" in page_text(app)
    failing_api.down, failing_api.fails = False, True
    app.query_params["window"] = "2013-04-02T00:00:00Z/2013-04-03T00:00:00Z"
    app.run()
    assert boxes(app) == ["error"]
    assert charts(app) == 0


def test_page_recovers_when_the_api_is_back(failing_api):
    app = open_page("overview", failing_api)
    failing_api.down = failing_api.fails = False
    app.run()
    assert boxes(app) == ["success"]
