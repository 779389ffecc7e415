"""A fake API with windows and incidents by model, and pages over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from streamlit.testing.v1 import AppTest

Json = dict[str, Any]
ADDRESS = "http://api.test"


class FakeApi:
    """Answers from windows and incidents by model, and records the requests in order."""

    def __init__(self, *models: Json) -> None:
        self.models = list(models)
        self.windows: dict[str, list[Json]] = {m["model"]: [] for m in models}
        self.incidents: dict[str, list[Json]] = {m["model"]: [] for m in models}
        self.distribution: Json | None = None
        self.health = health()
        self.retraining: Json = {"decision": "none", "reasons": [], "decided_at": None}
        self.down = False
        self.requests: list[tuple[str, dict[str, str]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        path, parameters = request.url.path, dict(request.url.params)
        self.requests.append((path, parameters))
        status, body = self._answer(path, parameters)
        return httpx.Response(status, json=body)

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def _answer(self, path: str, parameters: Mapping[str, str]) -> tuple[int, Json]:
        if path.startswith("/incidents/"):
            return self._incident(path.rpartition("/")[2])
        model = parameters.get("model", "")
        answers = {
            "/models": lambda: page(self.models),
            "/health": lambda: self.health,
            "/windows": lambda: page(self._windows(model, parameters)),
            "/alerts": lambda: page(
                [i for i in self.incidents[model] if i["state"] == parameters["state"]]
            ),
            "/metrics/baseline": lambda: {**_about(model), "rows": 2000, "metrics": BASELINE},
            "/metrics/latest": lambda: self._latest(model),
            "/drift/data": lambda: self._drift(model, parameters),
            "/drift/concept": lambda: self._concept(model),
            "/retraining/status": lambda: {**_about(model), **self.retraining},
        }
        return 200, answers[path]()

    def _incident(self, identity: str) -> tuple[int, Json]:
        for incident in (i for incidents in self.incidents.values() for i in incidents):
            if incident["id"] == identity:
                return 200, {**incident, "transitions": [transition(incident)]}
        return 404, {"title": "Not Found", "status": 404, "detail": "there is no such incident"}

    def _windows(self, model: str, parameters: Mapping[str, str]) -> list[Json]:
        """The newest first, inside of the range, as the API has it."""
        return self._inside(model, parameters)[::-1][: int(parameters["limit"])]

    def _latest(self, model: str) -> Json:
        items = [
            {"model": model, "version": "1", **w["performance"], "window": _performance_window(w)}
            for w in self.windows[model]
        ]
        final = [i for i in items if i["window"]["status"] == "final"]
        provisional = [i for i in items if i["window"]["status"] == "provisional"]
        newest = final[-1] if final else {"metrics": {}, "window": None}
        about = _about(model, newest["window"])
        return {**newest, **about, "provisional": (provisional or [None])[-1]}

    def _drift(self, model: str, parameters: Mapping[str, str]) -> Json:
        inside = self._inside(model, parameters)
        if not inside:
            return {**_about(model), "features": []}
        newest = inside[-1]
        features = [{**f, "distribution": self.distribution} for f in newest["data"]["features"]]
        return {**newest["data"], **_about(model, newest["window"]), "features": features}

    def _inside(self, model: str, parameters: Mapping[str, str]) -> list[Json]:
        start, end = parameters.get("start", ""), parameters.get("end", "9")
        bounds = [(w, w["window"]["start"], w["window"]["end"]) for w in self.windows[model]]
        return [w for w, first, last in bounds if start <= first and last <= end]

    def _concept(self, model: str) -> Json:
        newest = self.windows[model][-1] if self.windows[model] else None
        about = _about(model, newest and newest["window"])
        return {**about, **(newest["concept"] if newest else {})}


def page(items: Sequence[Json]) -> Json:
    return {"items": list(items), "next": None}


def open_page(view: str, api: FakeApi, **address: str) -> AppTest:
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
        context = PageContext(client, first, tuple(others), link)
        importlib.import_module(f"dashboard.views.{view}").page(context)

    app = AppTest.from_function(script, args=(view, api), default_timeout=120)
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def page_text(app: AppTest) -> str:
    """All text of the page, without tables."""
    kinds = ("title", "subheader", "markdown", "caption", "text", *BOXES)
    return "\n".join(str(e.value) for kind in kinds for e in getattr(app, kind))


BOXES = ("error", "warning", "success", "info")


def boxes(app: AppTest) -> list[str]:
    """The kinds of message boxes on the page."""
    return [kind for kind in BOXES for _ in getattr(app, kind)]


def address(app: AppTest) -> dict[str, str]:
    """The parameters in the address of the page."""
    return {name: "".join(value) for name, value in app.query_params.items()}


def charts(app: AppTest) -> int:
    return len(app.get("vega_lite_chart")) + len(app.get("arrow_vega_lite_chart"))


# -- documents of the API ------------------------------------------------------------------------

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
    figures = {"value": value, "low": 0.88, "high": 0.94, "baseline": 0.92, "threshold": 0.83}
    return {**figures, **fields}


def window(
    number: int = 1,
    *features: Json,
    labels: str = "final",
    status: str = "closed",
    model: str = "flight-delay",
    **fields: Any,
) -> Json:
    """A day of April, with the given features or two without drift."""
    start, end = day(number)
    metrics = {name: metric() for name in BASELINE}
    return {
        "model": model,
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


def transition(incident: Json) -> Json:
    return {
        "type": "driftline.incident.opened",
        "time": incident["opened_at"],
        "data": {"message": incident["message"]},
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


def _performance_window(window: Json) -> Json:
    return {**window["window"], "status": window["performance"]["status"]}


def _about(model: str, window: Json | None = None) -> Json:
    status = "no_data" if window is None else "ok"
    return {"model": model, "version": "1", "window": window, "status": status}
