"""Views of texts as plain texts. Many functions of Arrow do not know views.

A view has 16 bytes: the length of its text, then a short text itself, or where it is. Arrow checks
the views of valid rows only, and its own conversion reads those of null, too: they may point
anywhere. So they are cleared first.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

_DICTIONARY = pa.dictionary(pa.int64(), pa.string())


def views_of(texts: pa.Array) -> NDArray[np.int32]:
    """Shape (n, 4); zeros for null."""
    stop = texts.offset + len(texts)
    views = np.frombuffer(texts.buffers()[1] or b"", np.int32, 4 * stop).reshape(stop, 4)
    return views[texts.offset :] * _valid(texts)[:, None]


def without_views(table: pa.Table, names: Iterable[str]) -> pa.Table:
    """``names``: columns of texts or of dictionaries of texts."""
    for name in names:
        column = table[name]
        if types.is_string_view(column.type):
            chunks, kind = [_plain(chunk) for chunk in column.chunks], pa.string()
        elif types.is_string_view(column.type.value_type):
            chunks, kind = [_plain_dictionary(chunk) for chunk in column.chunks], _DICTIONARY
        else:
            continue
        i = table.column_names.index(name)
        table = table.set_column(i, name, pa.chunked_array(chunks, kind))
    return table


def _plain(texts: pa.Array) -> pa.StringArray:
    buffers = [None, pa.py_buffer(views_of(texts)), *texts.buffers()[2:]]
    plain = pa.Array.from_buffers(pa.string_view(), len(texts), buffers).cast(pa.string())
    return pc.if_else(pa.array(_valid(texts)), plain, None)


def _plain_dictionary(texts: pa.DictionaryArray) -> pa.DictionaryArray:
    indices = texts.indices.cast(pa.int64())
    return pa.DictionaryArray.from_arrays(indices, _plain(texts.dictionary))


def _valid(texts: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(texts.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
