"""The page /docs works without another host."""

from __future__ import annotations

import re

import pytest


def test_page_and_its_files_are_served_by_the_application(client):
    page = client.get("/docs").text
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(addresses) == 3
    for address in addresses:
        assert address.startswith("docs/")  # relative: also behind a proxy with a path
        assert client.get(f"/{address}").status_code == 200
    assert "//" not in page.replace("<!DOCTYPE html>", "")


def test_policy_of_the_page_allows_scripts_of_the_application_only(client):
    policy = client.get("/docs").headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self'" in policy


def test_page_shows_the_openapi_document_of_the_application(client):
    assert 'url: "openapi.json"' in client.get("/docs/start.js").text


@pytest.mark.parametrize(
    "path", ["/docs/redoc.standalone.js", "/docs/..%2Fcore.py", "/redoc", "/docs/"]
)
def test_other_files_are_a_problem_with_404(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
