"""Entity tags: an answer is sent again only if the findings have changed."""

from __future__ import annotations

import pytest
from sqlalchemy import event

import api.routes.drift
from api.conditional import KeptAnswers
from tests.consumers.stored import (
    DAY,
    NOW,
    alert,
    decision,
    heartbeat,
    registration,
    version_state,
    window,
)

CONDITIONAL = [
    "/models",
    "/windows",
    "/drift/data",
    "/drift/concept",
    "/drift/history?feature=temp",
    "/metrics/baseline",
    "/metrics/latest",
    "/metrics/history",
    "/alerts",
    "/incidents",
    "/incidents/91ab",
    "/retraining/status",
    "/segments",
]
UNCONDITIONAL = ["/health", "/metrics", "/events"]


@pytest.fixture
def tag(client):
    """The entity tag of an answer."""
    return lambda path="/windows": client.get(path).headers.get("etag")


@pytest.mark.parametrize("path", CONDITIONAL)
def test_answer_that_is_known_is_confirmed_without_its_body(client, watched, tag, path):
    watched(window(), alert())
    answer = client.get(path, headers={"If-None-Match": f'"other", {tag(path)}'})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == tag(path)
    assert client.get(path, headers={"If-None-Match": 'W/"other"'}).status_code == 200


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(window(1), id="a window"),
        pytest.param(alert("resolved"), id="an alert"),
        pytest.param(decision(), id="a decision"),
        pytest.param(version_state("1", "shadow"), id="a state"),
    ],
)
def test_tag_changes_with_each_finding(watched, tag, message):
    watched(window())
    before = tag()
    watched(message)
    assert tag() != before


def test_tag_changes_with_a_registration(watched, tag):
    before = tag()
    watched.models(registration(version="2"))
    assert tag() != before


def test_tag_does_not_change_with_heartbeats(watched, tag):
    watched(window())
    before = tag()
    watched(heartbeat("detect"))
    assert tag() == before


def test_tag_changes_when_findings_are_deleted_and_not_otherwise(watched, database, tag):
    watched(window(0), window(9))
    before = tag()
    assert database.delete_old(30 * DAY, NOW) is False
    assert tag() == before
    database.delete_old(DAY, NOW)
    assert tag() != before


@pytest.mark.parametrize("path", UNCONDITIONAL)
def test_answer_that_depends_on_the_clock_has_no_tag(client, watched, path):
    watched(window())
    answer = client.get(path, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.headers.get("etag")) == (200, None)


def test_problem_has_no_tag(client, watched):
    watched(window())
    answer = client.get("/windows?limit=0")
    assert (answer.status_code, answer.headers.get("etag")) == (422, None)


def test_answer_is_kept_for_its_address_until_the_findings_change(client, watched, monkeypatch):
    watched(window())
    first = client.get("/windows?limit=1").content
    monkeypatch.setattr(api.routes.drift, "windows_page", None)  # it would raise
    assert client.get("/windows?limit=1").content == first
    assert client.get("/windows?limit=2").status_code == 500
    watched(window(1))
    assert client.get("/windows?limit=1").status_code == 500


def test_tag_and_answer_are_read_in_one_transaction(client, watched, reader):
    watched(window())
    client.get("/windows")
    begun: list[object] = []
    event.listen(reader.engine, "begin", begun.append)
    assert client.get("/drift/data").status_code == 200
    assert len(begun) == 1


def test_kept_answers_have_a_bounded_size():
    kept = KeptAnswers(max_bytes=10)
    for address in ("a", "b", "a", "c"):
        kept.add(address, "tag", b"1234")
    assert [kept.get(address, "tag") for address in "abc"] == [b"1234", None, b"1234"]
    assert kept.get("a", "other") is None
    kept.add("d", "tag", b"x" * 11)
    assert [kept.get(address, "tag") for address in "acd"] == [None, None, None]
