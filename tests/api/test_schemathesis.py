"""Any request that the OpenAPI document allows gets an answer that the document describes."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case

from api.app import create_app
from api.events import StreamControl
from driftline.settings import ApiSection, Settings
from tests.api.test_openapi import PATHS
from tests.consumers.stored import NOW

REACHABLE = Settings(api=ApiSection(host="testserver"))  # the host that schemathesis sends


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_conforms_to_the_openapi_document(path, reader):
    """With findings in the database. The event stream ends by itself, so it can be read whole."""
    streams = StreamControl(poll_s=0.01, comment_s=0.02, close_after_s=0.05)
    app = create_app(reader, REACHABLE, clock_ms=lambda: NOW, streams=streams)
    document = schemathesis.openapi.from_asgi("/openapi.json", app)

    @given(case=document[path]["GET"].as_strategy())
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: Case) -> None:
        case.call_and_validate()

    ask()
