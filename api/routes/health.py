"""How the roles fare: for people and programs at /health, for Prometheus at /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import Connection

from api.dependencies import Nothing, NowMs, Reading
from api.gauges import gauges
from api.health import Beat, Health, assess
from api.problems import refusals
from api.prometheus import CONTENT_TYPE, exposition
from api.queries import beats

router = APIRouter(tags=["health"], responses=refusals(422))


@router.get("/health")
def health(connection: Reading, now_ms: NowMs, _asked: Nothing) -> Health:
    """How each role fares, and what became of every record that was read."""
    return _assessed(connection, now_ms)


@router.get("/metrics", response_class=PlainTextResponse)
def prometheus(connection: Reading, now_ms: NowMs, _asked: Nothing) -> Response:
    """The same and the newest findings as gauges, in the text format of Prometheus 0.0.4."""
    found = gauges(connection, _assessed(connection, now_ms))
    return Response(exposition(found), media_type=CONTENT_TYPE)


def _assessed(connection: Connection, now_ms: int) -> Health:
    found = [Beat(row.role, row.slot, row.at_ms, row.document) for row in beats(connection)]
    return assess(found, now_ms)
