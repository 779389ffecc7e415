"""The OpenAPI document lists all paths, describes all numbers, and declares all problems."""

from __future__ import annotations

import pytest

PATHS = [
    "/alerts",
    "/drift/concept",
    "/drift/data",
    "/drift/history",
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
    "/segments",
    "/windows",
]


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def test_openapi_document_lists_exactly_these_paths(document):
    assert sorted(document["paths"]) == PATHS
    assert {method for path in document["paths"].values() for method in path} == {"get"}


def numbers(schema: dict) -> bool:
    kinds = {schema.get("type"), *(option.get("type") for option in schema.get("anyOf", []))}
    return bool(kinds & {"number", "integer"})


def test_openapi_document_describes_every_number(document):
    undescribed = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if numbers(described) and not described.get("description")
    ]
    assert undescribed == []


def test_openapi_document_describes_every_parameter(document):
    undescribed = [
        (path, parameter["name"])
        for path, methods in document["paths"].items()
        for parameter in methods["get"].get("parameters", [])
        if not parameter.get("description") and parameter["name"] != "id"
    ]
    assert undescribed == []


def test_openapi_document_declares_all_problems_as_problem_details(document):
    for methods in document["paths"].values():
        responses = methods["get"]["responses"]
        assert {"200", "403", "422", "500", "503"} <= set(responses)
        for status, response in responses.items():
            if status != "200":
                assert list(response["content"]) == ["application/problem+json"]


def test_openapi_document_declares_media_types_of_events_and_metrics(document):
    def media(path):
        return list(document["paths"][path]["get"]["responses"]["200"]["content"])

    assert media("/events") == ["text/event-stream"]
    assert media("/metrics") == ["text/plain"]
