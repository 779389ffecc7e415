"""The steps of ``join`` in columns are those of rows one after the other, in any batches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.messages.joins import JoinColumns
from consumers.messages.progress import LabelsSeen, SourceProgress, VersionSeen
from consumers.roles.join_clock import JoinClock
from consumers.roles.join_expiry import expire
from consumers.roles.join_step import join_step, watermarks
from consumers.roles.join_store import JoinStore, index_time
from monitor.counts.joined_rows import JoinedRows
from monitor.events.join_columns import entry_of
from monitor.events.joining import (
    Entry,
    JoinPolicy,
    Label,
    ScoredPrediction,
    add_rows,
    joined_columns,
    joined_row_changes,
    label_outcomes,
    repetition,
)
from monitor.events.progress import AppendTimes, Seen
from monitor.plan import Time

TIME = Time(lateness_ms=5, accept_late_ms=20, label_horizon_ms=10_000, idle_after_ms=None)
POLICIES = {"m": JoinPolicy(10, 5, 20, 10_000), "n": JoinPolicy(10, 5, 20, 40)}
Message = JoinColumns | SourceProgress
Sent = tuple[int, int, int, int, bool, int]  # id, version (0: a label), time, value, late, life

sent_rows = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from([0, 0, 1, 1, 2]),
        st.integers(0, 20).map(lambda n: 10 * n),
        st.integers(0, 1),
        st.booleans(),
        st.sampled_from([0, 0, 1]),
    ),
    min_size=1,
    max_size=12,
)


def ident_of(model: str, number: int) -> bytes:
    """The first eight bytes of all ids of a model are the same."""
    return model.encode().ljust(15, b"\0") + bytes([number])


def message(model: str, sent: list[Sent]) -> JoinColumns:
    number, version, time_ms, value, late, life = map(np.array, zip(*sent, strict=True))
    ident = b"".join(ident_of(model, one) for one in number.tolist())
    return JoinColumns(
        model,
        np.frombuffer(ident, dtype=np.uint8).reshape(-1, 16),
        version - 1,
        ["1", "2"] if version.any() else [],
        time_ms,
        late & (version > 0),
        value * 0.25,
        value,
        time_ms * (version == 0),
        life * (version > 0),
        number * (version > 0),
    )


def progress(model: str, newest_ms: int, first_append_ms: int = 0) -> SourceProgress:
    seen, appended = Seen(newest_ms, 0, first_append_ms, 0), AppendTimes(1, {0: 0})
    return SourceProgress(
        schema=1,
        predictions=appended,
        labels=appended,
        versions=[VersionSeen(model=model, version="1", partition=0, seen=seen)],
        label_models=[LabelsSeen(model=model, partition=0, seen=seen)],
    )


models = st.sampled_from(["m", "n", "n"])
messages = st.lists(
    st.one_of(
        st.builds(message, models, sent_rows),
        st.builds(progress, models, st.integers(0, 300)),
    ),
    min_size=1,
    max_size=12,
)


class OneByOne:
    """The definition: each row is added to the entry of its id, which may have expired."""

    def __init__(self, messages: list[Message]) -> None:
        self.entries: dict[tuple[str, bytes], Entry] = {}
        self.counts = Counter[str]()
        self.joined = Counter[Any]()
        clock = JoinClock()
        for content in messages:
            if isinstance(content, SourceProgress):
                clock = clock.updated(content, lambda _: TIME)
                continue
            watermark_ms = clock.watermark_ms(content.model, TIME)
            for ident, row in rows_of(content):
                self._add(content.model, ident, row, watermark_ms)
        for (model, ident), entry in list(self.entries.items()):
            at_ms = clock.watermark_ms(model, TIME)
            ttl_ms = np.array([POLICIES[model].ttl_ms])
            time_ms = int(index_time(entry.newest_ms + ttl_ms, ttl_ms)[0])
            if at_ms is not None and time_ms < at_ms:
                self._expire(model, ident)

    def _add(self, model: str, ident: bytes, row: Any, watermark_ms: int | None) -> None:
        policy, key = POLICIES[model], (model, ident)
        self.counts["labels" if isinstance(row, Label) else "predictions"] += 1
        self._expire_by(model, ident, watermark_ms)
        before = self.entries.get(key, Entry(model))
        after = self.entries[key] = add_rows(before, [row])
        changes = joined_row_changes(before, after, policy)
        if isinstance(row, ScoredPrediction):
            changes += repetition(before, row)
        for version, rows in joined_columns(model, changes).items():
            self.joined.update(tally(rows, version))
        self.counts.update(label_outcomes(after, policy))
        self.counts.subtract(label_outcomes(before, policy))
        repeated = after.repeated_predictions - before.repeated_predictions
        self.counts["repeated_predictions"] += repeated
        self._expire_by(model, ident, watermark_ms)

    def _expire_by(self, model: str, ident: bytes, watermark_ms: int | None) -> None:
        entry = self.entries.get((model, ident))
        if entry is None or watermark_ms is None:
            return
        if entry.newest_ms + POLICIES[model].ttl_ms < watermark_ms:
            self._expire(model, ident)

    def _expire(self, model: str, ident: bytes) -> None:
        waiting = label_outcomes(self.entries.pop((model, ident)), POLICIES[model])["waiting"]
        self.counts.update(expired=waiting, waiting=-waiting)


def rows_of(content: JoinColumns) -> Iterator[tuple[bytes, ScoredPrediction | Label]]:
    for i, ident in enumerate(content.ident):
        at_ms, value = int(content.time_ms[i]), int(content.value[i])
        if content.version[i] < 0:
            yield ident.tobytes(), Label(at_ms, value, int(content.seen_ms[i]))
        else:
            version = content.versions[content.version[i]]
            score, late, life = float(content.score[i]), bool(content.late[i]), int(content.life[i])
            own, segment = (at_ms, score, value, version, late, life), int(content.segment[i])
            yield ident.tobytes(), ScoredPrediction(*own, segment=segment)


def tally(rows: JoinedRows, version: str) -> Counter[Any]:
    """What is added to the sums *all* and *final*; the latter by the time of the label."""
    found: Counter[Any] = Counter()
    label = np.nan_to_num(rows.label, nan=-1.0)  # NaN is not equal to itself
    columns = (rows.time_ms, rows.score, rows.predicted, label, rows.segment, rows.known_ms)
    each = zip(*(c.tolist() for c in (*columns, rows.final, rows.whole)), strict=True)
    for *row, known_ms, final, whole in each:
        found[rows.model, version, *row, known_ms] += final
        found[rows.model, version, *row, None] += whole
    return found


def nonzero(counts: Counter[Any]) -> dict[Any, int]:
    return {key: n for key, n in counts.items() if n}


@given(
    sent=messages,
    cuts=st.lists(st.integers(1, 11), max_size=4),
    most=st.sampled_from([1, 3, 1_000]),
    idle=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_join_is_that_of_rows_one_by_one_whatever_the_batches(sent, cuts, most, idle):
    expected, joined = OneByOne(sent), Counter[Any]()
    with TemporaryDirectory() as directory:
        store = JoinStore(Path(directory) / "0")
        bounds = sorted({0, *(cut for cut in cuts if cut < len(sent)), len(sent)})
        for start, stop in pairwise(bounds):
            step = join_step(store, stop, sent[start:stop], POLICIES.__getitem__, lambda _: TIME)
            store.write(step.changes)
            for rows in step.joined_rows:
                joined.update(tally(rows, rows.version))
            expire(store, now(store), POLICIES.__getitem__, most if idle else 1_000)
        for _ in range(200):
            expire(store, now(store), POLICIES.__getitem__, most)
        assert nonzero(joined) == nonzero(expected.joined)
        assert nonzero(Counter(store.state.counts)) == nonzero(expected.counts)
        assert left(store) == expected.entries
        assert indexed(store) >= {ident for _, ident in expected.entries}
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JoinStore]:
    made = JoinStore(tmp_path / "0")
    yield made
    made.close()


def worked(store: JoinStore, *sent: Message) -> int:
    """The number of entries after a batch."""
    step = join_step(store, store.state.next + 1, sent, POLICIES.__getitem__, lambda _: TIME)
    store.write(step.changes)
    expire(store, now(store), POLICIES.__getitem__, 1_000)
    return len(left(store))


def test_label_may_be_repeated_before_there_is_any_prediction(store):
    for _ in range(2):
        assert worked(store, message("n", [(1, 0, 30, 1, False, 0)])) == 1


@pytest.mark.parametrize("watermarks", [(60, 75, 76), (75, 76)])
def test_id_with_later_rows_expires_by_the_newest_of_them(store, watermarks):
    """The rows of the model n are kept for 45."""
    assert worked(store, message("n", [(1, 1, 0, 1, False, 0)])) == 1
    assert worked(store, message("n", [(1, 0, 30, 1, False, 0)])) == 1
    entries = [worked(store, progress("n", at_ms)) for at_ms in watermarks]
    assert entries == [*[1] * (len(watermarks) - 1), 0]
    assert indexed(store) == set()


def test_id_expires_in_an_event_time_that_started_afresh(store):
    """A version was reset: its watermark goes back."""
    worked(store, progress("n", 300))
    reset = progress("n", 20, first_append_ms=1)
    assert worked(store, reset, message("n", [(1, 1, 10, 1, False, 0)])) == 1
    assert worked(store, progress("n", 301, first_append_ms=1)) == 0


def now(store: JoinStore) -> Any:
    return watermarks(store.state.clock, lambda _: TIME)


def left(store: JoinStore) -> dict[tuple[str, bytes], Entry]:
    """All entries of a store."""
    found = {}
    for model in POLICIES:
        ids = [ident_of(model, number) for number in range(7)]
        ident = np.frombuffer(b"".join(ids), dtype=np.uint8).reshape(-1, 16)
        entries = store.find(ident)
        for i, one in enumerate(ids):
            if i in entries.others:
                found[model, one] = entries.others[i]
            elif entries.existed[i]:
                found[model, one] = entry_of(model, entries.entries[i], store.state.versions)
    return found


def indexed(store: JoinStore) -> set[bytes]:
    """The ids in the index, which is what will expire some day."""
    found: dict[str, set[bytes]] = defaultdict(set)
    for model in POLICIES:
        for due in store.due(model, 1 << 62, 1_000):
            found[model] |= {due.ident[i : i + 16] for i in range(0, len(due.ident), 16)}
    return set().union(*found.values())
