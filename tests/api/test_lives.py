"""Answers are about the current life of a version: since it was reset or restored last."""

from __future__ import annotations

import pytest

from tests.consumers.stored import APRIL, DAY, decision, rfc3339, version_state, window

OF_WINDOWS = ["/drift/data", "/drift/concept", "/metrics/latest"]
LISTS = ["/windows", "/metrics/history"]
OLD = {"start": rfc3339(APRIL)}
RESET = version_state("1", "live", life=1, reset_at="2026-01-01T00:00:00Z")


@pytest.fixture
def replaced(watched):
    """Windows of April 1, 2 and 9 before a reset; then April 1 again."""
    watched(window(0), window(1), window(8), decision(9), RESET, window(0, life=1))
    watched(decision(1, life=1, decision="retrain"))


@pytest.mark.parametrize("path", OF_WINDOWS)
@pytest.mark.usefixtures("replaced")
def test_newest_window_is_the_newest_since_the_reset(client, path):
    assert client.get(path).json()["window"]["start"] == rfc3339(APRIL)


@pytest.mark.parametrize("path", OF_WINDOWS)
def test_there_is_no_newest_window_before_the_first_one_since_the_reset(client, watched, path):
    watched(window(0), RESET)
    answer = client.get(path).json()
    assert (answer["status"], answer["window"]) == ("no_data", None)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.usefixtures("replaced")
def test_list_holds_earlier_lives_only_if_a_range_is_requested(client, path):
    def found(**parameters: str) -> list[tuple[str, int]]:
        items = client.get(path, params=parameters).json()["items"]
        return [(item["window"]["start"][:10], item["life"]) for item in items]

    assert found() == [("2013-04-01", 1)]
    assert found(**OLD) == [("2013-04-09", 0), ("2013-04-02", 0), ("2013-04-01", 1)]
    assert found(**OLD, limit="1") == [("2013-04-09", 0)]


@pytest.mark.usefixtures("replaced")
def test_decision_is_the_newest_since_the_reset(client):
    answer = client.get("/retraining/status").json()
    assert (answer["decision"], answer["life"]) == ("retrain", 1)


def test_there_is_no_decision_of_any_life_before_the_first_one_since_the_reset(client, watched):
    watched(decision(9, decision="retrain"), RESET)
    answer = client.get("/retraining/status").json()
    assert (answer["status"], answer["decision"], answer["life"]) == ("no_data", "none", None)


def test_retired_version_answers_with_its_last_windows(client, watched):
    watched(window(0), window(1), version_state("1", "retired"))
    assert client.get("/drift/data").json()["window"]["start"] == rfc3339(APRIL + DAY)


def test_windows_of_a_new_life_are_answered_before_its_state_is_stored(client, watched):
    """The topics are read independently of each other."""
    watched(window(0), window(0, life=1))
    assert client.get("/windows").json()["items"][0]["life"] == 1
