"""Any request that the OpenAPI document allows gets an answer that the document describes."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case

from api.app import create_app
from api.events import StreamControl
from api.parameters import MAX_RANGE_DAYS
from api.times import parse_instant
from driftline.settings import ApiSection, Settings
from monitor.plan import DAY
from tests.api.test_openapi import PATHS
from tests.consumers.stored import NOW

REACHABLE = Settings(api=ApiSection(host="testserver"))  # the host that schemathesis sends


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("examples", [3, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_conforms_to_the_openapi_document(path, examples, reader):
    """With findings in the database. The event stream ends by itself, so it can be read whole."""
    streams = StreamControl(poll_s=0.01, comment_s=0.02, close_after_s=0.05)
    app = create_app(reader, REACHABLE, clock_ms=lambda: NOW, streams=streams)
    document = schemathesis.openapi.from_asgi("/openapi.json", app)

    @given(case=document[path]["GET"].as_strategy())
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: Case) -> None:
        if exceeds_the_range(case):  # a schema cannot say how far two parameters lie apart
            assert case.call().status_code == 422
        else:
            case.call_and_validate()

    ask()


def exceeds_the_range(case: Case) -> bool:
    try:
        start, end = (parse_instant((case.query or {})[name]) for name in ("start", "end"))
    except (KeyError, ValueError):
        return False
    return end - start > MAX_RANGE_DAYS * DAY
