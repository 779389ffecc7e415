"""An API that answers what a test gives it, and remembers what it was asked, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from streamlit.testing.v1 import AppTest

Json = dict[str, Any]
ADDRESS = "http://api.test"


class FakeApi:
    """Windows and incidents by model; everything else follows from them, or is set."""

    def __init__(self, *models: Json) -> None:
        self.models = list(models)
        self.windows: dict[str, list[Json]] = {m["model"]: [] for m in models}
        self.incidents: dict[str, list[Json]] = {m["model"]: [] for m in models}
        self.distribution: Json | None = None
        self.health = health()
        self.retraining: Json = {"decision": "none", "reasons": [], "decided_at": None}
        self.down = False
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        path, parameters = request.url.path, dict(request.url.params)
        self.asked.append((path, parameters))
        status, body = self._answer(path, parameters)
        return httpx.Response(status, json=body)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def _answer(self, path: str, parameters: Mapping[str, str]) -> tuple[int, Json]:
        if path.startswith("/incidents/"):
            return self._incident(path.rpartition("/")[2])
        of = parameters.get("model", "")
        answers = {
            "/models": lambda: page(self.models),
            "/health": lambda: self.health,
            "/windows": lambda: page(self.windows[of][::-1][: int(parameters["limit"])]),
            "/alerts": lambda: page(
                [i for i in self.incidents[of] if i["state"] == parameters["state"]]
            ),
            "/metrics/baseline": lambda: {**_about(of), "rows": 2000, "metrics": BASELINE},
            "/metrics/latest": lambda: self._latest(of),
            "/drift/data": lambda: self._drift(of, parameters),
            "/drift/concept": lambda: self._concept(of),
            "/retraining/status": lambda: {**_about(of), **self.retraining},
        }
        return 200, answers[path]()

    def _incident(self, identity: str) -> tuple[int, Json]:
        for found in (i for of in self.incidents.values() for i in of):
            if found["id"] == identity:
                return 200, {**found, "transitions": [transition(found)]}
        return 404, {"title": "Not Found", "status": 404, "detail": "there is no such incident"}

    def _latest(self, of: str) -> Json:
        items = [
            {"model": of, "version": "1", **w["performance"], "window": _measured(w)}
            for w in self.windows[of]
        ]
        final = [i for i in items if i["window"]["status"] == "final"]
        coming = [i for i in items if i["window"]["status"] == "provisional"]
        newest = final[-1] if final else {"metrics": {}, "window": None}
        return {**newest, **_about(of, newest["window"]), "provisional": (coming or [None])[-1]}

    def _drift(self, of: str, parameters: Mapping[str, str]) -> Json:
        asked = (parameters.get("start"), parameters.get("end"))
        fitting = [
            w
            for w in self.windows[of]
            if asked in ((None, None), (w["window"]["start"], w["window"]["end"]))
        ]
        if not fitting:
            return {**_about(of), "features": []}
        found = fitting[-1]
        features = [{**f, "distribution": self.distribution} for f in found["data"]["features"]]
        return {**found["data"], **_about(of, found["window"]), "features": features}

    def _concept(self, of: str) -> Json:
        newest = self.windows[of][-1] if self.windows[of] else None
        return {**_about(of, newest and newest["window"]), **(newest["concept"] if newest else {})}


def page(items: Sequence[Json]) -> Json:
    return {"items": list(items), "next": None}


def shown(view: str, api: FakeApi, **address: str) -> AppTest:
    """A page, without the side bar. Links are written as ``[label] page {parameters}``."""

    def script(view, api):  # type: ignore[no-untyped-def]  # runs from its source alone
        import importlib

        import httpx
        import streamlit as st

        from dashboard.client import Client
        from dashboard.context import PageContext
        from tests.dashboard.fake import ADDRESS

        def link(label, page, **parameters):  # type: ignore[no-untyped-def]
            st.text(f"[{label}] {page} {parameters}")

        http = httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(api))
        client = Client(http)
        first, *others = client.models()
        here = PageContext(client, first, tuple(others), link)
        importlib.import_module(f"dashboard.views.{view}").page(here)

    app = AppTest.from_function(script, args=(view, api), default_timeout=120)
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def said(app: AppTest) -> str:
    """Everything that stands on the page in words, but for tables."""
    kinds = ("title", "subheader", "markdown", "caption", "text", *BOXES)
    return "\n".join(str(e.value) for kind in kinds for e in getattr(app, kind))


BOXES = ("error", "warning", "success", "info")


def boxes(app: AppTest) -> list[str]:
    """The kinds of boxes on the page."""
    return [kind for kind in BOXES for _ in getattr(app, kind)]


def address(app: AppTest) -> dict[str, str]:
    """The parameters that it has by now."""
    return {name: "".join(value) for name, value in app.query_params.items()}


def charts(app: AppTest) -> int:
    return len(app.get("vega_lite_chart")) + len(app.get("arrow_vega_lite_chart"))


# -- what the API answers, in its own words ------------------------------------------------------

BASELINE = {
    name: {"value": 0.9, "low": 0.89, "high": 0.91}
    for name in ("accuracy", "precision", "recall", "f1", "roc_auc")
}


def model(name: str = "flight-delay", *features: str) -> Json:
    return {
        "model": name,
        "version": "1",
        "registered_at": "2026-01-01T00:00:00Z",
        "features": [{"name": f, "kind": "numeric"} for f in features or ("temp", "distance")],
        "threshold": 0.5,
        "pane_ms": 3_600_000,
        "rows": 2000,
        "labelled": True,
        "reference_start": "2013-03-01T00:00:00Z",
        "reference_end": "2013-04-01T00:00:00Z",
        "label_delay_ms": {"p50": 1, "p90": 2, "p99": 3},
    }


def day(number: int) -> tuple[str, str]:
    """A day of April 2013, counted from 1."""
    return f"2013-04-{number:02}T00:00:00Z", f"2013-04-{number + 1:02}T00:00:00Z"


def feature(name: str = "temp", **fields: Any) -> Json:
    return {
        "name": name,
        "kind": "numeric",
        "rows": 900,
        "missing": 9,
        "statistic": 0.05,
        "p_value": 0.02,
        "significant": True,
        "threshold": 0.09,
        "allowance": 0.12,
        "persistent": 0.03,
        "psi": 0.01,
        "verdict": "ok",
        "severity": None,
        "detectable": 0.09,
        **fields,
    }


def drifted(name: str = "temp", severity: str = "critical", **fields: Any) -> Json:
    return feature(name, **{"statistic": 0.41, "verdict": "drift", "severity": severity, **fields})


def metric(value: float | None = 0.91, **fields: Any) -> Json:
    known = {"value": value, "low": 0.88, "high": 0.94, "baseline": 0.92, "threshold": 0.83}
    return {**known, **fields}


def window(
    number: int = 1,
    *features: Json,
    labels: str = "final",
    status: str = "closed",
    of: str = "flight-delay",
    **fields: Any,
) -> Json:
    """A day of April, with the features given, else calm ones."""
    start, end = day(number)
    metrics = {name: metric() for name in BASELINE}
    return {
        "model": of,
        "version": "1",
        "window": {"start": start, "end": end, "revision": 0, "status": status},
        "data": {
            "revision": 0,
            "status": status,
            "rows": 900,
            "features": list(features) or [feature("temp"), feature("distance")],
        },
        "concept": {
            "prediction": feature("score"),
            "errors": feature("error"),
            "expected": None,
            "realised": {"accuracy": 0.91},
            "detectors": [{"name": "adwin", "drifting": False, "detected_at": None}],
        },
        "performance": {
            "revision": 0,
            "status": labels,
            "rows": 900,
            "labels": 700,
            "coverage": 700 / 900,
            "metrics": metrics,
        },
        **fields,
    }


def incident(identity: str = "91ab", **fields: Any) -> Json:
    start, end = day(2)
    return {
        "id": identity,
        "model": "flight-delay",
        "version": "1",
        "kind": "data",
        "subject": "data/temp",
        "severity": "critical",
        "state": "open",
        "opened_at": end,
        "updated_at": end,
        "resolved_at": None,
        "window": {"start": start, "end": end},
        "evidence": {"decided_by": "ks", "value": 0.41, "threshold": 0.09, "rows": 900},
        "message": f"data/temp: the distribution moved by 0.41 in the window {start} to {end}.",
        **fields,
    }


def transition(of: Json) -> Json:
    return {
        "type": "driftline.incident.opened",
        "time": of["opened_at"],
        "data": {"message": of["message"]},
    }


def health(*roles: Json, **fields: Any) -> Json:
    records = {"received": 0, "counted": 0, "late": 0, "too_late": 0, "dead": {}}
    joined = ("labels", "matched", "waiting", "expired", "duplicates", "superseded")
    more = ("predictions", "repeated_predictions")
    return {
        "status": "ok",
        "checked_at": "2026-01-01T00:00:00Z",
        "missing": [],
        "roles": list(roles) or [role("detect")],
        "predictions": records,
        "labels": records,
        "joins": dict.fromkeys((*joined, *more), 0),
        **fields,
    }


def role(name: str, **fields: Any) -> Json:
    return {
        "role": name,
        "slot": 0,
        "status": "ok",
        "problem": None,
        "heartbeat_at": "2026-01-01T00:00:00Z",
        "heartbeat_age_s": 2.0,
        "progress_at": "2026-01-01T00:00:00Z",
        "progress_age_s": 3.0,
        "lag": 0,
        "watermark": None,
        "partitions": {},
        **fields,
    }


def _measured(of: Json) -> Json:
    return {**of["window"], "status": of["performance"]["status"]}


def _about(of: str, window: Json | None = None) -> Json:
    status = "no_data" if window is None else "ok"
    return {"model": of, "version": "1", "window": window, "status": status}
