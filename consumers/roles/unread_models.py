"""The state of a partition of ``summaries`` in which messages of a model cannot be read.

Such a model is left out from the offset ``next`` on, with all its versions. Its state stays as it
was before ``next``, with the append time of then; the other models go on. ``next`` and the append
time are published. A worker that can read the messages takes them again from there, in the same
order and with the same effects, some with each batch. Once it has caught up, the model is one of
the others again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from consumers.messages.detect_state import UnreadEntry
from consumers.messages.reading import UnreadableMessage
from consumers.messages.records import Record
from consumers.roles.set_aside import listed, sentence
from consumers.roles.summary_log import ReadRecords
from monitor.events.event_time import latest
from monitor.windows.lives import belonging
from monitor.windows.state import LogItem, State, rebuilt
from monitor.windows.state_by_model import divided, items_of, merged, needing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnreadModel:
    """A model that is not read from the offset ``next`` on."""

    state: State  # of the model, before ``next``
    next: int
    error: UnreadableMessage | None = None  # None: its messages can be read
    is_lost: bool = False  # whether retention has deleted messages that were not read
    records: list[Record] = field(default_factory=list)  # from ``next`` on, if they can be read

    @property
    def start(self) -> State:
        """The state to go on from. If messages are lost, the versions that it knows need them.

        They are judged again in a new life. Versions that are new since are judged from the first
        message that is left.
        """
        return needing(self.state, self.next) if self.is_lost else self.state

    @property
    def has_caught_up(self) -> bool:
        return self.error is None and not self.records

    def at(self, state: State, records: list[Record]) -> UnreadModel:
        """With a later state, after ``start``, and the records that are left."""
        if self.is_lost:
            state = replace(state, touched=tuple(state.decisions))  # they are to be published
        next_offset = records[0].offset if records else self.next
        return replace(self, state=state, next=next_offset, records=records, is_lost=False)


@dataclass(frozen=True, slots=True)
class PartitionState:
    """The state of the models that are read, and the models that are not."""

    state: State
    unread: Mapping[str, UnreadModel] = field(default_factory=dict)

    @property
    def whole(self) -> State:
        """The state of all models."""
        return reduce(merged, (model.state for model in self.unread.values()), self.state)

    @property
    def entries(self) -> Iterator[UnreadEntry]:
        """What is published of the models that are not read."""
        for name, model in self.unread.items():
            yield UnreadEntry(name, model.next, model.state.clock)

    @property
    def newest_ms(self) -> int | None:
        """The newest event time of all versions."""
        seen = (one.newest_ms for time in self.whole.times.values() for one in time.seen.values())
        return latest(*seen)

    @property
    def counts(self) -> Mapping[str, int]:
        """What there is, for the heartbeat."""
        whole = self.whole
        return {
            "models": len({key.version_key for key in whole.decisions}),
            "panes": sum(len(panes) for panes in whole.panes.values()),
            "open_incidents": sum(len(found.incidents) for found in whole.decisions.values()),
        }

    def items(self, items: Iterable[LogItem]) -> Iterable[LogItem]:
        """Those of the models that are read."""
        return items_of(items, lambda name: name not in self.unread) if self.unread else items

    def resumed(self, entries: Iterable[UnreadEntry], oldest: int) -> PartitionState:
        """With models that were not read before. ``oldest`` is the offset that retention left."""
        state, unread = self.state, dict(self.unread)
        for entry in entries:
            own, state = divided(state, entry.model)
            own = replace(own, clock=entry.clock)
            unread[entry.model] = UnreadModel(own, entry.next, is_lost=entry.next < oldest)
        return PartitionState(state, unread)

    def without(self, errors: Mapping[str, UnreadableMessage], next_offset: int) -> PartitionState:
        """With models that cannot be read, those that were read so far from ``next_offset`` on."""
        state, unread = self.state, dict(self.unread)
        for name, error in errors.items():
            if name not in unread:
                own, state = divided(state, name)
                unread[name] = UnreadModel(own, next_offset)
            if unread[name].error is None:  # the first one is the reason
                log.error("%s is set aside with all its versions: %s", name, error)
                unread[name] = replace(unread[name], error=error, records=[])
        return PartitionState(state, unread) if errors else self

    def replayed(self, read: ReadRecords) -> PartitionState:
        """With the panes that a part of the log holds. Later records of a model are kept for it."""
        state = rebuilt(self.state, belonging(self.state.lives, self.items(read.items)))
        unread = {name: _replayed(name, model, read) for name, model in self.unread.items()}
        return PartitionState(state, unread)


def unread_problem(partitions: Iterable[PartitionState]) -> str | None:
    """The models that cannot be read, with their reasons, for the heartbeat."""
    reasons = {
        name: sentence(model.error)
        for partition in partitions
        for name, model in sorted(partition.unread.items())
        if model.error is not None
    }
    if not reasons:
        return None
    subject = "1 model is" if len(reasons) == 1 else f"{len(reasons)} models are"
    return f"{subject} set aside with all versions: {listed(reasons)}"


def own_items(name: str, items: Iterable[LogItem]) -> list[LogItem]:
    """The items of one model, and all progress."""
    return list(items_of(items, lambda one: one == name))


def _replayed(name: str, model: UnreadModel, read: ReadRecords) -> UnreadModel:
    if model.error is not None:
        return model
    before = list[LogItem]()
    for record, items in read.contents:
        own = own_items(name, items)
        if record.offset < model.next:
            before += own
        elif own:
            model.records.append(record)
    state = rebuilt(model.state, belonging(model.state.lives, before))
    return replace(model, state=state)
