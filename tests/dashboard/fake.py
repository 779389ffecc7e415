"""A fake API with windows and incidents by model, and pages over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import httpx
from streamlit.testing.v1 import AppTest

from tests.dashboard.documents import BASELINE, Json, about, health, performance_window, transition

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
            "/metrics/baseline": lambda: {**about(model), "rows": 2000, "metrics": BASELINE},
            "/metrics/latest": lambda: self._latest(model),
            "/drift/data": lambda: self._drift(model, parameters),
            "/drift/concept": lambda: self._concept(model),
            "/retraining/status": lambda: {**about(model), **self.retraining},
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
            {"model": model, "version": "1", **w["performance"], "window": performance_window(w)}
            for w in self.windows[model]
        ]
        final = [i for i in items if i["window"]["status"] == "final"]
        provisional = [i for i in items if i["window"]["status"] == "provisional"]
        newest = final[-1] if final else {"metrics": {}, "window": None}
        fields = about(model, newest["window"])
        return {**newest, **fields, "provisional": (provisional or [None])[-1]}

    def _drift(self, model: str, parameters: Mapping[str, str]) -> Json:
        inside = self._inside(model, parameters)
        if not inside:
            return {**about(model), "features": []}
        newest = inside[-1]
        features = [{**f, "distribution": self.distribution} for f in newest["data"]["features"]]
        return {**newest["data"], **about(model, newest["window"]), "features": features}

    def _inside(self, model: str, parameters: Mapping[str, str]) -> list[Json]:
        start, end = parameters.get("start", ""), parameters.get("end", "9")
        bounds = [(w, w["window"]["start"], w["window"]["end"]) for w in self.windows[model]]
        return [w for w, first, last in bounds if start <= first and last <= end]

    def _concept(self, model: str) -> Json:
        newest = self.windows[model][-1] if self.windows[model] else None
        fields = about(model, newest and newest["window"])
        return {**fields, **(newest["concept"] if newest else {})}


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
