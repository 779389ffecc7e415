"""Views of texts as plain texts. Many functions of Arrow do not know views.

A view has 16 bytes: the length of its text, then a short text itself, or where it is. Arrow checks
the views of valid rows only, and its own conversion reads those of null, too: they may point
anywhere. So they are cleared first.
"""

from __future__ import annotations

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


def without_views(table: pa.Table) -> pa.Table:
    for i, field in enumerate(table.schema):
        if types.is_string_view(field.type):
            chunks = [_plain(chunk) for chunk in table.column(i).chunks]
            table = table.set_column(i, field.name, pa.chunked_array(chunks, pa.string()))
        elif types.is_dictionary(field.type) and types.is_string_view(field.type.value_type):
            chunks = [_plain_dictionary(chunk) for chunk in table.column(i).chunks]
            table = table.set_column(i, field.name, pa.chunked_array(chunks, _DICTIONARY))
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
