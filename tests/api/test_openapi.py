"""The OpenAPI document: every path, every number in words, every problem declared."""

from __future__ import annotations

import pytest

PATHS = [
    "/alerts",
    "/drift/concept",
    "/drift/data",
    "/events",
    "/health",
    "/incidents",
    "/incidents/{id}",
    "/metrics",
    "/metrics/baseline",
    "/metrics/history",
    "/metrics/latest",
    "/models",
    "/retraining/status",
    "/windows",
]


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def test_it_lists_every_path_and_no_other(document):
    assert sorted(document["paths"]) == PATHS
    assert {method for path in document["paths"].values() for method in path} == {"get"}


def numbers(schema: dict) -> bool:
    kinds = {schema.get("type"), *(option.get("type") for option in schema.get("anyOf", []))}
    return bool(kinds & {"number", "integer"})


def test_it_says_what_every_number_means(document):
    silent = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if numbers(described) and not described.get("description")
    ]
    assert silent == []


def test_it_says_what_every_parameter_means(document):
    silent = [
        (path, parameter["name"])
        for path, methods in document["paths"].items()
        for parameter in methods["get"].get("parameters", [])
        if not parameter.get("description") and parameter["name"] != "id"
    ]
    assert silent == []


def test_every_problem_is_declared_as_problem_details(document):
    for methods in document["paths"].values():
        responses = methods["get"]["responses"]
        assert {"200", "403", "422", "500", "503"} <= set(responses)
        for status, response in responses.items():
            if status != "200":
                assert list(response["content"]) == ["application/problem+json"]


def test_streams_and_gauges_are_declared_as_the_text_they_are(document):
    def media(path):
        return list(document["paths"][path]["get"]["responses"]["200"]["content"])

    assert media("/events") == ["text/event-stream"]
    assert media("/metrics") == ["text/plain"]
