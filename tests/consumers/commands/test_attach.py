"""``driftline attach --next`` without Kafka: what is written, and what is refused."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import consumers.attach.attaching
import consumers.kafka.topic_configuration
from consumers.attach.attaching import Proposal
from consumers.attach.topic_sample import TopicSample
from consumers.commands.attach import attach
from consumers.messages.records import Record
from driftline.configuration.sources import SourceSection
from driftline.errors import BadInput
from driftline.settings import Settings, load_settings

T = 1_700_000_000
SCORED: Mapping[str, Any] = {
    **{"topic": "scored", "id": "$.id", "time": {"path": "$.t", "unit": "s"}, "score": "$.p"},
    **{"model": {"value": "shop"}, "version": {"value": "1"}, "features": "$.in"},
}
OUTCOMES: Mapping[str, Any] = {
    **{"topic": "outcomes", "id": "$.id", "time": "$.t", "label": "$.y"},
    "model": {"value": "shop"},
}


def sample(topic: str, *times: int) -> TopicSample:
    documents = [{"id": f"r{t}", "t": t, "in": {"x": 1}, "p": 0.5, "y": 1} for t in times]
    values = [json.dumps(document).encode() for document in documents]
    records = [Record(f"topic:{topic}", 0, i, None, value) for i, value in enumerate(values)]
    return TopicSample(topic, records, documents, {})


@pytest.fixture(autouse=True)
def _topics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def proposed(_settings: Settings, _most: int, given: Mapping[str, Any]) -> Proposal:
        tables = [dict(SCORED), *([dict(OUTCOMES)] if given["labels"] else [])]
        samples = [sample("scored", T, T + 60, 4_000_000_000), sample("outcomes", T)]
        return Proposal("shop", "1", tables, samples[: len(tables)], 0, 0)

    monkeypatch.chdir(tmp_path)
    own = consumers.attach.attaching
    monkeypatch.setattr(own, "proposed", proposed)
    monkeypatch.setattr(own, "registered_versions", lambda _: {("old", "1"): None})
    settings = consumers.kafka.topic_configuration
    kept = {"scored": "604800000", "outcomes": "-1"}
    monkeypatch.setattr(
        settings,
        "_current",
        lambda _, wanted: {t.name: {"retention.ms": kept[t.name]} for t in wanted},
    )


def run(*words: str, model: str = "shop", settings: Settings | None = None) -> Any:
    options = ["--topic", "scored", "--model", model, "--yes", *words]
    return CliRunner().invoke(attach, options, obj=settings or Settings())


def test_tables_are_written_that_collect_from_after_the_newest_plausible_row():
    done = run("--next", "5000", "--labels", "outcomes")
    assert done.exit_code == 0, done.output
    written = tomllib.loads(Path("driftline.toml").read_text())["sources"]
    since = "2023-11-14T22:14:20.001Z"
    assert written == [{**SCORED, "collect": 5000, "since": since}, {**OUTCOMES, "since": since}]
    assert load_settings().sources == [SourceSection(**table) for table in written]
    assert done.stdout.splitlines()[-1] == (
        "shop/1 is registered as soon as the next 5,000 rows are there, with their labels or 7d"
        " later (time.label_horizon): driftline models list shows how far it is"
    )
    assert "retention" not in done.output


def test_a_topic_that_keeps_its_records_for_a_shorter_time_is_warned_of():
    done = run("--next", "14d", "--labels", "outcomes")
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith(
        "warning: scored: retention.ms is 604800000 (7d), needed at least 1814400000 (21d):"
        " kafka-configs.sh"
    )
    assert done.stderr.count("warning") == 1
    assert 'collect = "14d"' in Path("driftline.toml").read_text()


COLLECTING = SourceSection(**SCORED, collect=5)


@pytest.mark.parametrize(
    ("words", "settings", "sentence"),
    [
        pytest.param(
            ("--next", "soon"),
            Settings(),
            "--next: 'soon' is not a duration: write it like '30s', '5m', '1h', '7d'; or a number"
            " of rows, such as 5000",
            id="no amount",
        ),
        pytest.param(("--next", "0"), Settings(), "--next: 0 rows: expected 1 to", id="no rows"),
        pytest.param(
            ("--next", "5", "--until", "2026-01-01T00:00:00Z"),
            Settings(),
            "--next and --until cannot be combined",
            id="two ends",
        ),
        pytest.param(
            ("--next", "5"),
            Settings(sources=[COLLECTING]),
            "scored is in [[sources]] already, with collect: driftline models list shows how far",
            id="a second time",
        ),
        pytest.param(
            ("--next", "5"),
            Settings(sources=[COLLECTING.model_copy(update={"topic": "other"})]),
            "shop/1 comes from other in [[sources]] already: choose another --version",
            id="of another topic",
        ),
    ],
)
def test_what_cannot_be_collected_is_refused_and_nothing_is_written(words, settings, sentence):
    refused = run(*words, settings=settings)
    assert isinstance(refused.exception, BadInput)
    assert str(refused.exception).startswith(sentence)
    assert not Path("driftline.toml").exists()


def test_a_version_that_is_registered_is_not_collected():
    refused = run("--next", "5", model="old")
    assert str(refused.exception) == (
        "old/1 is registered already, and a reference never changes: choose another --version"
    )
