"""Removes the entries that the watermarks have passed, in bounded steps.

When they are removed changes no result: a row finds an entry that has expired empty in any case
(``join_matching``). Until then their waiting labels are counted as waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from consumers.roles.join_matching import blocks, expiry_ms
from consumers.roles.join_store import ID_BYTES, Due, Found, Idents, JoinStore, index_time, ordered
from monitor.events.join_columns import Flags, Policies
from monitor.events.joining import JoinPolicy, label_outcomes


def expire(
    store: JoinStore,
    watermarks: Mapping[str, int],
    policy_of: Callable[[str], JoinPolicy],
    most: int,
) -> None:
    """Remove ``most`` entries or a few more; ``watermarks`` are those of models."""
    for model, watermark_ms in watermarks.items():
        if most > 0 and store.state.expired_ms.get(model, watermark_ms - 1) < watermark_ms:
            most -= _expire(store, model, watermark_ms, policy_of(model), most)


def _expire(store: JoinStore, model: str, watermark_ms: int, policy: JoinPolicy, most: int) -> int:
    """Returns how many ids of the index were looked at."""
    due = list(store.due(model, watermark_ms, most))
    ident = _distinct(due)
    found = store.find(ident)
    policies = Policies.of([policy])[np.zeros(len(ident), dtype=np.int64)]
    time_ms = index_time(expiry_ms(found, policies), policies.ttl_ms)
    gone = found.existed & (time_ms < watermark_ms)
    waiting = _waiting(found, gone, policies, policy)
    kept = np.flatnonzero(found.existed & ~gone)
    looked_at = sum(len(one.ident) for one in due) // ID_BYTES
    reached_ms = watermark_ms if looked_at < most else due[-1].expiry_ms
    counts = Counter(store.state.counts)
    counts.update(expired=waiting, waiting=-waiting)
    state = replace(
        store.state,
        expired_ms={**store.state.expired_ms, model: reached_ms},
        counts=dict(counts),
    )
    later = list(blocks(model, ident[kept], time_ms[kept]))
    changes = store.changes(found.removed(gone), later, state)
    for one in due:
        changes.batch.delete(one.key)
    store.write(changes)
    return looked_at


def _distinct(due: list[Due]) -> Idents:
    """Their ids, each once, ascending."""
    ids = np.frombuffer(b"".join(one.ident for one in due), dtype=np.uint8)
    ident = ids.reshape(-1, ID_BYTES)
    order, starts = ordered(ident)
    return ident[order[starts]]


def _waiting(found: Found, gone: Flags, policies: Policies, policy: JoinPolicy) -> int:
    others = (entry for i, entry in found.others.items() if gone[i])
    return int((policies.waiting(found.entries) & gone).sum()) + sum(
        label_outcomes(entry, policy)["waiting"] for entry in others
    )
