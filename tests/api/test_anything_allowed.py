"""Whatever the OpenAPI document allows may be asked, and the answer is one that it describes."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case

from api.app import create_app
from api.events import Pace
from driftline.settings import Settings
from tests.api.test_openapi import PATHS
from tests.consumers.stored import NOW


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_one_that_the_document_describes(path, reader):
    """Over findings; the stream of events ends by itself, so that it can be read whole."""
    pace = Pace(poll_s=0.01, comment_s=0.02, close_after_s=0.05)
    app = create_app(reader, Settings(), clock_ms=lambda: NOW, pace=pace)
    document = schemathesis.openapi.from_asgi("/openapi.json", app)

    @given(case=document[path]["GET"].as_strategy())
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: Case) -> None:
        case.call_and_validate()

    ask()
