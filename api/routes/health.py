"""Health of the workers: as JSON at /health, for Prometheus at /metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import Connection

from api.answers import Health
from api.dependencies import NoParameters, NowMs, RequiredRoles, Snapshot, in_snapshot
from api.health import WorkerHeartbeat, assess
from api.problems import problem_responses
from api.prometheus import CONTENT_TYPE, FindingsCollector, exposition
from api.queries import newest_heartbeats

router = APIRouter(tags=["health"], responses=problem_responses(422))


@router.get("/health")
@in_snapshot
def health(
    connection: Snapshot, now_ms: NowMs, required: RequiredRoles, _query: NoParameters
) -> Health:
    """Health of all workers, and counts of all records."""
    return assess(_heartbeats(connection), now_ms, required)


@router.get("/metrics", response_class=PlainTextResponse)
@in_snapshot
def prometheus(connection: Snapshot, now_ms: NowMs, _query: NoParameters) -> Response:
    """Metrics of workers, records, incidents and newest windows, for Prometheus."""
    heartbeats = _heartbeats(connection)
    collector = FindingsCollector(connection, assess(heartbeats, now_ms).roles, heartbeats)
    return Response(exposition(collector), media_type=CONTENT_TYPE)


def _heartbeats(connection: Connection) -> list[WorkerHeartbeat]:
    return [
        WorkerHeartbeat(row.role, row.slot, row.at_ms, row.received_ms, row.document)
        for row in newest_heartbeats(connection)
    ]
