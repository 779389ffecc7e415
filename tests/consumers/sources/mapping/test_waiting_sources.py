"""Topics wait for the reference of their version, and then begin after it."""

from __future__ import annotations

import json
from typing import Any

from consumers.messages.records import Record
from consumers.sources.mapping.waiting_sources import WaitingSources
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings

T = 1_700_000_000_000


class Profiles:
    """Ends of references by version; None: of a file."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], int | None] = {}
        self.refreshed = 0

    def versions(self) -> dict[tuple[str, str], int | None]:
        return self.known

    def reference_end_ms(self, model: str, version: str) -> int | None:
        return self.known[model, version]

    def refresh(self) -> None:
        self.refreshed += 1


def scored(topic: str = "scored", version: str = "1", **fields: Any) -> SourceSection:
    own: dict[str, Any] = {
        **{"topic": topic, "id": "$.id", "time": "$.t", "features": "$.in", "score": "$.p"},
        **{"model": {"value": "m"}, "version": {"value": version}, **fields},
    }
    return SourceSection(**own)


def outcomes(model: str = "m", **fields: Any) -> SourceSection:
    own: dict[str, Any] = {"id": "$.id", "time": "$.t", "label": "$.y", "model": {"value": model}}
    return SourceSection(topic="outcomes", **own, **fields)


def waiting(profiles: Profiles, *sources: SourceSection) -> WaitingSources:
    return WaitingSources(Settings(sources=list(sources)), profiles)


def times(sources: WaitingSources, topic: str, *times_ms: int) -> list[int]:
    """Those of the rows that are forwarded."""
    found = []
    for at in times_ms:
        document = {"id": "a", "t": at, "in": {"x": 1}, "p": 0.5, "y": 1}
        record = Record(topic, 0, 0, None, json.dumps(document).encode())
        found += [row.time_ms for row in sources.mapper(topic).rows_of(record) or ()]
    return found


def test_predictions_and_labels_wait_until_the_version_is_registered():
    profiles = Profiles()
    sources = waiting(profiles, scored(collect=5), outcomes(), scored("others", "9"))
    # The labels are needed by others/9 as well, which is not collected: they do not wait.
    assert sources.topics() == {"topic:scored"}
    sources = waiting(profiles, scored(collect=5), outcomes())
    assert sources.topics() == {"topic:scored", "topic:outcomes"}
    profiles.known["m", "1"] = T
    assert sources.topics() == set()


def test_rows_of_the_time_of_the_reference_are_left_out():
    profiles = Profiles()
    profiles.known["m", "1"] = T
    sources = waiting(profiles, scored(collect="14d", since="2023-01-01T00:00:00Z"), outcomes())
    for topic in ("topic:scored", "topic:outcomes"):
        assert times(sources, topic, T - 1, T, T + 1) == [T, T + 1]


def test_a_reference_from_a_file_leaves_since_as_it_is():
    profiles = Profiles()
    profiles.known["m", "1"] = None
    sources = waiting(profiles, scored(collect=5, since="2023-11-14T22:13:20Z"))
    assert times(sources, "topic:scored", T - 1, T) == [T]


def test_labels_do_not_wait_for_a_second_version():
    profiles = Profiles()
    profiles.known["m", "1"] = T
    sources = waiting(profiles, scored(collect=5), scored("new", "2", collect=5), outcomes())
    assert sources.topics() == {"topic:new"}


def test_labels_of_another_model_do_not_wait():
    sources = waiting(Profiles(), scored(collect=5), outcomes("other"))
    assert sources.topics() == {"topic:scored"}


def test_a_topic_that_was_read_does_not_wait_again():
    profiles = Profiles()
    sources = waiting(profiles, scored(collect=5), scored("new", "2", collect=5))
    profiles.known["m", "1"] = T
    assert sources.topics() == {"topic:new"}
    del profiles.known["m", "1"]  # its profile is deleted
    assert sources.topics() == {"topic:new"}


def test_without_collect_nothing_is_asked():
    profiles = Profiles()
    assert waiting(profiles, scored(), outcomes()).topics() == set()
    assert profiles.refreshed == 0
