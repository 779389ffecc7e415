"""The rights on Kafka that a role needs, without Kafka."""

from __future__ import annotations

from typing import Any

from consumers.processes.rights import rights_of
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings
from producers.kafka.rights import READ, TOPIC, WRITE, Right

MODEL: dict[str, Any] = {"model": {"value": "m"}}
SCORED = SourceSection(topic="scored", **MODEL, features="$.in", collect=5)
OUTCOMES = SourceSection(topic="outcomes", **MODEL, id="$.id", label="$.y")


def of_retrain(*sources: SourceSection) -> set[Right]:
    return set(rights_of(Settings(sources=list(sources)), "retrain", ["retraining"]))


def test_retrain_reads_the_topics_of_a_version_that_it_collects_and_registers_it():
    assert of_retrain(SCORED, OUTCOMES) - of_retrain() == {
        Right(READ, TOPIC, "scored"),
        Right(READ, TOPIC, "outcomes"),
        Right(WRITE, TOPIC, "driftline.profiles"),
    }


def test_retrain_needs_no_more_for_sources_that_are_not_collected():
    registered = SCORED.model_copy(update={"collect": None})
    assert of_retrain(registered, OUTCOMES) == of_retrain()
