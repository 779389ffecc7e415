"""Logs of inference servers, which hold a request and its response, as documents with ``rows``.

``kserve-v2``  tensors with names, as KServe, Seldon and Triton have them: the first dimension is
               the row. A tensor of several columns is an array in each row
``mlflow``     ``inputs`` and ``outputs`` (also ``predictions``), in the orientations of MLflow's
               scoring server: ``dataframe_split``, ``dataframe_records``, columns, plain arrays

Both may stand in the record itself, or in its ``request`` and ``response``, and there in the
``data`` of a CloudEvent. A row has ``inputs`` and ``outputs``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

from consumers.messages.halves import Side
from producers.contract.records import Undecodable

_INPUTS = ("inputs", "dataframe_split", "dataframe_records", "instances")
_OUTPUTS = ("outputs", "predictions")


def with_rows(document: Any, envelope: str) -> Mapping[str, Any]:
    """Raises ``Undecodable``."""
    if not isinstance(document, dict):
        raise Undecodable(f"not a log of {envelope}: expected an object")
    rows_of = _LAYOUTS[envelope]
    inputs = rows_of(_part(document, "request", _INPUTS, envelope))
    outputs = rows_of(_part(document, "response", _OUTPUTS, envelope))
    if len(inputs) != len(outputs):
        raise Undecodable(f"it has {len(inputs)} rows of inputs, and {len(outputs)} of outputs")
    pairs = zip(inputs, outputs, strict=True)
    return {**document, "rows": [{"inputs": one, "outputs": other} for one, other in pairs]}


def side_of(document: Any, envelope: str) -> Side:
    """Whether a record is a request, which has inputs, or a response. Raises ``Undecodable``."""
    if _found(document, _INPUTS) is not None:
        return "request"
    if _found(document, _OUTPUTS) is not None:
        return "response"
    raise Undecodable(
        f"no request and no response of {envelope}: expected {_INPUTS[0]} or {_OUTPUTS[0]}"
    )


def _part(document: Any, within: str, names: Sequence[str], envelope: str) -> Any:
    for place in (document, document.get(within)):
        if (found := _found(place, names)) is not None:
            return found[0]
    raise Undecodable(
        f"not a log of {envelope} with both: expected {names[0]} in the record or its {within}"
    )


def _found(document: Any, names: Sequence[str]) -> tuple[Any] | None:
    """What has one of these names in an object or, of an event, in its data."""
    if not isinstance(document, dict):
        return None
    for name in names:
        if name in document:
            return (document[name],)
    return _found(document["data"], names) if "specversion" in document else None


def _tensor_rows(tensors: Any) -> list[Any]:
    """An object of each row."""
    if not isinstance(tensors, list) or not tensors:
        raise Undecodable("expected tensors with name, shape and data")
    columns = dict(map(_tensor, tensors))
    return _rows_of_columns(columns)


def _tensor(tensor: Any) -> tuple[str, list[Any]]:
    """The name, and a value or an array for each row."""
    try:
        name, shape, data = str(tensor["name"]), list(tensor["shape"]), tensor["data"]
        flat = list(_leaves(data))
        rows, width = int(shape[0]), prod(shape[1:])
    except (LookupError, TypeError, ValueError, RecursionError):
        raise Undecodable("expected tensors with name, shape and data") from None
    if rows < 0 or width < 1 or rows * width != len(flat):
        raise Undecodable(f"tensor {name!r} has {len(flat)} values, and its shape is {shape}")
    if width == 1:
        return name, flat
    return name, [flat[i * width : (i + 1) * width] for i in range(rows)]


def _leaves(data: Any) -> Iterator[Any]:
    if isinstance(data, list):
        for inner in data:
            yield from _leaves(inner)
    else:
        yield data


def _rows_of_columns(columns: Mapping[str, Any]) -> list[Any]:
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise Undecodable(f"its columns have different numbers of rows: {sorted(lengths)}")
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _oriented_rows(given: Any) -> list[Any]:
    """An object or a plain value of each row."""
    if isinstance(given, list):
        return given
    if not isinstance(given, dict):
        raise Undecodable("expected rows: an array, columns, or an object of columns and data")
    if given.keys() >= {"columns", "data"}:
        return _split_rows(given["columns"], given["data"])
    if not all(isinstance(column, list) for column in given.values()):
        return [given]  # one row
    return _rows_of_columns(given)


def _split_rows(names: Any, data: Any) -> list[Any]:
    try:
        return [dict(zip(map(str, names), row, strict=True)) for row in data]
    except (TypeError, ValueError):
        raise Undecodable(
            "not dataframe_split: a row of data needs a value for each column"
        ) from None


_LAYOUTS: Mapping[str, Callable[[Any], list[Any]]] = {
    "kserve-v2": _tensor_rows,
    "mlflow": _oriented_rows,
}
