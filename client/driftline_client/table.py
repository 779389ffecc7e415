"""Lists of findings, also as a table of pandas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from driftline_client.errors import DriftlineError
from driftline_client.times import parsed

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class Table(Sequence[T], Generic[T]):
    """Items of the API, each a dictionary as the API writes it."""

    def __init__(self, items: Sequence[T]) -> None:
        self._items = list(items)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Table[T]: ...
    def __getitem__(self, index: int | slice) -> T | Table[T]:
        return Table(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"Table({self._items!r})"

    def to_pandas(self) -> pd.DataFrame:
        """A row for each item.

        Fields of objects are columns with dotted names, such as ``window.start``, as in the tables
        of ``driftline export``; lists are left out. Times are timestamps in UTC. It needs the
        extra ``pandas``.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise DriftlineError(
                "to_pandas() needs pandas: pip install 'driftline-client[pandas]'"
            ) from error
        rows = [dict(_fields(cast("Mapping[str, Any]", item))) for item in self]
        return pd.DataFrame.from_records(rows)


def is_time(name: str) -> bool:
    """Whether the field of this name holds a time, or null."""
    last = name.rpartition(".")[2]
    return last.endswith("_at") or last in _TIMES


_TIMES = ("start", "end", "reference_start", "reference_end", "state_since", "watermark")


def _fields(item: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in item.items():
        if isinstance(value, Mapping):
            yield from _fields(value, f"{within}{name}.")
        elif not isinstance(value, list):
            yield f"{within}{name}", _value(name, value)


def _value(name: str, value: Any) -> Any:
    return parsed(value) if isinstance(value, str) and is_time(name) else value
