"""HEAD: the headers of GET without its body."""

from __future__ import annotations

import pytest

from tests.consumers.stored import window


@pytest.mark.parametrize("path", ["/windows", "/health", "/metrics", "/openapi.json", "/nothing"])
def test_head_has_status_and_headers_of_get_and_no_body(client, watched, path):
    watched(window())
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers == get.headers


def test_stream_of_events_has_no_head(client, watched):
    watched(window())
    assert client.head("/events").status_code == 405
