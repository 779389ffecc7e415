"""Messages as the roles write them, and databases to put them into; for tests of store and API.

Every test that takes ``address`` runs on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from consumers.database.database import Database
from consumers.database.message_to_rows import row_batch, store_reader
from consumers.database.model_row import Registration, model_row
from consumers.messages.records import Record
from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.tasks.binary import BINARY
from producers.contract.profile_blobs import head_of
from producers.contract.profile_overview import overview_of

DAY = 86_400_000
HOUR = 3_600_000
APRIL = 1_364_774_400_000  # 2013-04-01, in milliseconds since 1970
NOW = 1_767_225_600_000  # 2026-01-01, by the clock of store and API


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of an empty database of this test's own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'driftline.db'}"
        return
    schema = f"test_{uuid.uuid4().hex}"
    url = make_url(request.getfixturevalue("postgres")).set(drivername="postgresql+psycopg")
    server = create_engine(url)
    with server.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    mine = url.update_query_dict({"options": f"-csearch_path={schema}"})
    yield mine.render_as_string(hide_password=False)
    _drop(server, schema)
    server.dispose()


def _drop(server: Engine, schema: str) -> None:
    """A reader that is just leaving may still hold what is to be dropped."""
    for last in (False, False, False, True):
        try:
            with server.begin() as connection:
                connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        except OperationalError:
            if last:
                raise
            time.sleep(1.0)
        else:
            return


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    """Opened to write, with its tables."""
    opened = Database.to_write(address)
    yield opened
    opened.close()


@pytest.fixture
def reader(address: str) -> Iterator[Database]:
    opened = Database.to_read(address)
    yield opened
    opened.close()


class Feed:
    """Writes messages to a database as the role does, one batch for each call, at ``now_ms``."""

    def __init__(self, database: Database) -> None:
        self._database, self.now_ms = database, NOW

    def __call__(self, *messages: tuple[str, dict[str, Any]]) -> None:
        records = [record(topic, document) for topic, document in messages]
        self._database.apply(row_batch(records, self.now_ms, store_reader()), {})

    def models(self, *registrations: Registration) -> None:
        self._database.register([model_row(registration) for registration in registrations])


@pytest.fixture
def feed(database: Database) -> Feed:
    return Feed(database)


def rfc3339(at_ms: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return at.isoformat().replace("+00:00", "Z")


def record(topic: str, document: object, *, offset: int = 0, partition: int = 0) -> Record:
    value = document if isinstance(document, bytes | None) else json.dumps(document).encode()
    return Record(topic, partition, offset, b"key", value)


def feature(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "numeric",
        "rows": 900,
        "missing": 3,
        "wrong_type": 0,
        "not_finite": 0,
        "out_of_range": 0,
        "statistic": 0.21,
        "p_value": 1.4e-30,
        "significant": True,
        "threshold": 0.09,
        "allowance": 0.12,
        "persistent": 0.18,
        "kuiper": 0.24,
        "wilcoxon": 0.3,
        "mood": 0.04,
        "psi": 0.2,
        "effects": {
            "psi": 0.2,
            "psi_noise": 0.02,
            "jensen_shannon": 0.15,
            "wasserstein": {"low": 0.3, "high": 0.4, "beyond": 0.0},
        },
        "verdict": "ok",
        "severity": None,
        "decided_by": None,
        "detectable": 0.165,
        "detail": None,
        "quality": {
            "deviation": 0.002,
            "p_value": 0.03,
            "threshold": 0.004,
            "allowance": 0.01,
            "persistent": 0.001,
            "verdict": "ok",
            "severity": None,
        },
        "unseen": None,
        "distribution": {
            "edges": [-0.5, 0.5],
            "reference": [0.3, 0.4, 0.3],
            "window": [0.1, 0.4, 0.5],
            "at": -0.5,
        },
        **fields,
    }


CARRIER = feature(
    "carrier",
    kind="categorical",
    kuiper=None,
    wilcoxon=None,
    mood=None,
    verdict="drift",
    severity="warning",
    decided_by="categories",
    detail="'UA': 20.00% before, 40.00% now",
    distribution=None,
    unseen={"rows": 2, "values": {"ZZ": 2}},
)


def metric(value: float | None = 0.91, **fields: Any) -> dict[str, Any]:
    return {
        "value": value,
        "low": 0.88,
        "high": 0.94,
        "baseline": 0.92,
        "resolution": 0.0,
        "threshold": None,
        "severity": None,
        **fields,
    }


UNDEFINED = metric(None, low=None, high=None)


def window(
    day: int = 0,
    *,
    status: str = "final",
    data_revision: int = 0,
    performance_revision: int = 1,
    **fields: Any,
) -> tuple[str, dict[str, Any]]:
    """A day of April 2013, counted from 0."""
    start = APRIL + day * DAY
    return "windows", {
        "schema": 1,
        "model": "flight-delay",
        "version": "1",
        "revision": data_revision + performance_revision,
        "start": rfc3339(start),
        "end": rfc3339(start + DAY),
        "data": {
            "revision": data_revision,
            "status": "closed",
            "rows": 900,
            "unknown_features": {"gate": 900},
            "features": [feature("temp"), deepcopy(CARRIER)],  # some tests change it
        },
        "concept": {
            "further": [],
            "prediction": feature("score"),
            "errors": feature("error", rows=700),
            "expected": {"accuracy": {"value": 0.92, "low": 0.89, "high": 0.95}},
            "realised": {"accuracy": 0.91, "roc_auc": None},
            "difference": {"accuracy": {"value": -0.01, "low": -0.04, "high": 0.02}},
            "detectors": [{"name": "adwin", "drifting": False, "detected_at": None}],
        },
        "performance": {
            "revision": performance_revision,
            "status": status,
            "rows": 900,
            "labels": 700,
            "coverage": 0.7777777777777778,
            "metrics": {"accuracy": metric(), "roc_auc": UNDEFINED},
        },
        **fields,
    }


def unlabelled_window(day: int = 0) -> tuple[str, dict[str, Any]]:
    """A window without labels, as ``detect`` writes it."""
    topic, document = window(day)
    nothing = {"errors": None, "realised": None, "difference": None, "detectors": []}
    document["concept"].update(nothing)
    document["performance"].update(labels=0, coverage=0.0, metrics={"accuracy": UNDEFINED})
    return topic, document


def alert(
    change: str = "opened", *, incident: str = "91ab", day: int = 0, **fields: Any
) -> tuple[str, dict[str, Any]]:
    """The incident opened on day 0, unless ``opened_at`` is given."""
    start, end = rfc3339(APRIL + day * DAY), rfc3339(APRIL + (day + 1) * DAY)
    resolved = change == "resolved"
    data = {
        "schema": 1,
        "incident": incident,
        "model": "flight-delay",
        "version": "1",
        "kind": "data",
        "severity": "critical" if change == "escalated" else "warning",
        "state": "resolved" if resolved else "open",
        "opened_at": rfc3339(APRIL + DAY),
        "resolved_at": end if resolved else None,
        "window": {"start": start, "end": end},
        "evidence": {"decided_by": "ks", "value": 0.31, "threshold": 0.09, "severity": "warning"},
        "message": f"data/distance: {change}.",
        **fields,
    }
    return "alerts", {
        "specversion": "1.0",
        "id": f"{incident}-{change}-{day}",
        "type": f"driftline.incident.{change}",
        "source": f"/models/{data['model']}",
        "subject": fields.get("subject", "data/distance"),
        "time": end,
        "datacontenttype": "application/json",
        "data": data,
    }


def heartbeat(
    role: str, slot: int = 0, *, age_s: float = 1, **fields: Any
) -> tuple[str, dict[str, Any]]:
    at = rfc3339(NOW - round(age_s * 1000))
    return "heartbeats", {
        "schema": 1,
        "role": role,
        "slot": slot,
        "at": at,
        "progress_at": at,
        "partitions": {},
        "problem": None,
        **fields,
    }


def version_state(version: str, state: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    document = {
        "schema": 1,
        "model": "flight-delay",
        "version": version,
        "state": state,
        "since": "2026-01-01T00:00:00Z",
        "by": "driftline",
        "why": "its first row",
        "after_offset": -1,
        "reset_at": None,
        "life": 0,
    }
    return "versions", {**document, **fields}


def decision(day: int = 0, **fields: Any) -> tuple[str, dict[str, Any]]:
    return "retraining", {
        "schema": 1,
        "model": "flight-delay",
        "version": "1",
        "decided_at": rfc3339(APRIL + day * DAY),
        "decision": "wait",
        "reasons": [
            {
                "condition": "critical_incidents",
                "required": "at least 1 open within the last 1 d",
                "actual": "0",
                "met": False,
            },
        ],
        **fields,
    }


def registration(
    model: str = "flight-delay", version: str = "1", *, at_ms: int = NOW - DAY
) -> Registration:
    return registered(profile(model, version), f"hash of {model} {version}", at_ms)


def registered(of: Profile, content_hash: str, at_ms: int) -> Registration:
    return Registration(head_of(of), overview_of(of), content_hash, at_ms)


def profile(model: str = "flight-delay", version: str = "1", *, labelled: bool = True) -> Profile:
    """Four panes of an hour, 400 rows, from midnight of 2013-03-01."""
    rng, n = np.random.default_rng(3), 400
    times = APRIL - 31 * DAY + np.arange(n, dtype=np.int64) * (4 * HOUR // n)
    score = rng.uniform(size=n)
    predictions = Predictions(
        [str(i) for i in range(n)],
        times,
        score,
        (score >= 0.5).astype(np.int64),
        {"temp": rng.normal(size=n), "carrier": [["UA", "DL"][i % 2] for i in range(n)]},
    )
    label = (rng.uniform(size=n) < score).astype(np.int64)
    rows = (
        ReferenceRows(predictions, label, times + HOUR) if labelled else ReferenceRows(predictions)
    )
    return build_profile(model, version, rows, pane_ms=HOUR, threshold=0.5, task=BINARY)
