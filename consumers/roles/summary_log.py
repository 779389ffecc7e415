"""Records of the topic ``summaries`` as ``detect`` takes them: item by item, with their offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from consumers.messages.reading import MessageReader, UnreadableMessage
from consumers.messages.records import Record, TopicPartition
from consumers.messages.summaries import decode_summary_message, named_models
from consumers.roles.profiles import Profiles
from consumers.roles.set_aside import sentence
from monitor.windows.state import LogItem, State
from monitor.windows.state_by_model import models_of
from producers.contract.partitions import model_partition


@dataclass(frozen=True, slots=True)
class ReadRecords:
    """The contents of records, in order, and the errors by model."""

    contents: list[tuple[Record, Sequence[LogItem]]] = field(default_factory=list)
    errors: dict[str, UnreadableMessage] = field(default_factory=dict)

    @property
    def items(self) -> Iterator[LogItem]:
        return (item for _, items in self.contents for item in items)


class SummaryLog:
    """Reads records. A message that cannot be read is an error of the models that it names.

    If it names no known model of its partition, it is skipped.
    """

    def __init__(self, profiles: Profiles, partitions: Callable[[str], int]) -> None:
        self._profiles, self._partitions = profiles, partitions
        self._reader = MessageReader({"summaries": decode_summary_message})

    def read(self, records: Iterable[Record], is_known: Callable[[str], bool]) -> ReadRecords:
        found = ReadRecords()
        for record in records:
            try:
                found.contents.append((record, list(self._items(record))))
            except UnreadableMessage as error:
                models = [model for model in named_models(record) if is_known(model)]
                for model in models:
                    found.errors.setdefault(model, error)
                if not models:
                    self._reader.skip(record, error)
        return found

    def known(self, partition: TopicPartition, state: State) -> Callable[[str], bool]:
        """Whether a model is in the state of a partition, or registered and belongs there."""

        def is_known(model: str) -> bool:
            if model in models_of(state):
                return True
            if model_partition(model, self._partitions(partition.topic)) != partition.partition:
                return False
            self._profiles.refresh()
            return any(registered == model for registered, _ in self._profiles.versions())

        return is_known

    def skipped(self, partition: TopicPartition) -> Mapping[str, int]:
        """The numbers of foreign and of unreadable messages that were skipped."""
        return self._reader.skipped(partition)

    def problem(self, partitions: Iterable[TopicPartition]) -> str | None:
        """The messages that were skipped because they could not be read."""
        skipped = self._reader.first_skipped(partitions)
        if skipped is None:
            return None
        first = sentence(skipped)
        return f"messages that name no known model of their partition were skipped, first: {first}"

    def _items(self, record: Record) -> Iterator[LogItem]:
        content = self._reader.read(record)
        if isinstance(content, list):
            yield from ((record.offset, summary) for summary in content)
        elif content is not None:
            yield record.offset, content
