"""The life of model versions: which one is live, which are watched beside it, which are retired.

Theory of operation
-------------------
A version is *registered* until its first row; it has no ``Life`` until then. Its first row makes it
*live*, and the version that was live before becomes a *shadow*, which is watched as before. A
shadow without rows for ``time.retire_after`` is *retired*: its incidents are resolved and its state
is dropped. People can change states too (``LifeRequest``). A version that is reset or restored
begins afresh, with a life of a higher number: its windows and incidents are not those of the life
before.

Every change takes effect at an offset of the log, so results are a function of the log: the items
of a batch are handled up to the next change, then the change is applied, then the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from monitor.counts.joined_rows import JoinedRows
from monitor.counts.summary import Summary
from monitor.events.event_time import latest
from monitor.events.progress import Seen
from monitor.identity import Key, VersionKey
from monitor.windows.clocks import AppendClock, JoinedTime, Progress
from monitor.windows.panes import Pane

T = TypeVar("T")

AUTOMATIC = "driftline"  # who made a change that nobody requested


class VersionState(StrEnum):
    REGISTERED = "registered"  # no row yet
    LIVE = "live"  # the version that answers when none is named
    SHADOW = "shadow"
    RETIRED = "retired"


class LifeAction(StrEnum):
    """What people can request for a version."""

    PROMOTE = "promote"  # make it live
    SHADOW = "shadow"  # register it as a shadow, before its first row
    RETIRE = "retire"
    RESTORE = "restore"  # a retired one, as a shadow
    RESET = "reset"  # start its event time and its state afresh


@dataclass(frozen=True, slots=True)
class Life:
    """The state of a version, and the change that led to it. Times are the broker's clock."""

    state: str  # VersionState, or one that a later release has written
    since_ms: int
    by: str
    why: str
    after_offset: int = -1  # only later summaries belong to it
    reset_ms: int | None = None  # rows appended until then do not belong to it
    number: int = 0  # how often the version has begun afresh


@dataclass(frozen=True, slots=True)
class LifeRequest:
    """A requested change. It takes effect at its offset."""

    key: VersionKey
    action: LifeAction
    at_ms: int
    by: str
    why: str


Lives = Mapping[VersionKey, Life]
RetireAfter = Callable[[str], int | None]  # by model, ms; None: never
LastAppend = Callable[[VersionKey], int | None]  # append time of the newest row of a version


@dataclass(frozen=True, slots=True)
class LifeChanges:
    """Lives that have changed, and the versions whose state is to be dropped."""

    lives: dict[VersionKey, Life] = field(default_factory=dict)
    ended: tuple[VersionKey, ...] = ()


_FITTING: Mapping[LifeAction, tuple[str | None, ...]] = {
    LifeAction.PROMOTE: (None, VersionState.SHADOW),
    LifeAction.SHADOW: (None,),
    LifeAction.RETIRE: (None, VersionState.LIVE, VersionState.SHADOW),
    LifeAction.RESTORE: (VersionState.RETIRED,),
    LifeAction.RESET: (VersionState.LIVE, VersionState.SHADOW),
}
_RESULT: Mapping[LifeAction, VersionState] = {
    LifeAction.PROMOTE: VersionState.LIVE,
    LifeAction.SHADOW: VersionState.SHADOW,
    LifeAction.RETIRE: VersionState.RETIRED,
    LifeAction.RESTORE: VersionState.SHADOW,
}


def life_number(life: Life | None) -> int:
    """0 for a version that had no row yet."""
    return 0 if life is None else life.number


def fits(state: str | None, action: LifeAction) -> bool:
    """Whether an action can be requested in a state (None: no row yet)."""
    return state in _FITTING[action]


def after_request(lives: Lives, request: LifeRequest, offset: int) -> LifeChanges:
    """The changes that a request makes; none if it does not fit the state of the version."""
    key, action, before = request.key, request.action, lives.get(request.key)
    state = None if before is None else before.state
    if not fits(state, action):
        return LifeChanges()
    afresh = action in (LifeAction.RESTORE, LifeAction.RESET)
    dropped = afresh or action is LifeAction.RETIRE
    life = Life(
        _RESULT.get(action, state or VersionState.LIVE),
        request.at_ms,
        request.by,
        request.why,
        offset if dropped or before is None else before.after_offset,
        request.at_ms if afresh else _reset_ms(before),
        life_number(before) + afresh,
    )
    ended = (key,) if action in (LifeAction.RETIRE, LifeAction.RESET) else ()
    if action is LifeAction.PROMOTE:
        return LifeChanges(_live(lives, key, life))
    return LifeChanges({key: life}, ended)


def after_first_rows(lives: Lives, progress: Progress) -> LifeChanges:
    """The versions that ``progress`` names for the first time become live, in their order."""
    changed: dict[VersionKey, Life] = {}
    for key, seen in progress.seen.items():
        if key not in lives:
            first_ms = min(one.first_append_ms for one in seen.values())
            life = Life(VersionState.LIVE, first_ms, AUTOMATIC, "its first row")
            changed |= _live({**lives, **changed}, key, life)
    return LifeChanges(changed)


def with_first_rows(lives: Lives, item: Summary | JoinedRows | Progress | LifeRequest) -> Lives:
    """``lives`` with those of the versions that have their first rows in ``item``.

    A version may have windows as soon as its first rows are known. Other lives have not changed.
    """
    if not isinstance(item, Progress):
        return lives
    return {**after_first_rows(lives, item).lives, **lives}


def after_silence(
    lives: Lives, last_append_ms: LastAppend, clock: AppendClock, after: RetireAfter, offset: int
) -> LifeChanges:
    """Shadows without rows for long enough are retired at an offset."""
    now_ms = clock.predictions.min_ms
    if now_ms is None:
        return LifeChanges()
    why, retired = "no rows for time.retire_after", dict[VersionKey, Life]()
    for key, life in lives.items():
        at_ms = _retirement_ms(key, life, last_append_ms, after)
        if at_ms is not None and at_ms <= now_ms:
            retired[key] = replace(
                life,
                state=VersionState.RETIRED,
                since_ms=now_ms,
                by=AUTOMATIC,
                why=why,
                after_offset=offset,
            )
    return LifeChanges(retired, tuple(retired))


def next_retirement_ms(lives: Lives, last_append_ms: LastAppend, after: RetireAfter) -> int | None:
    """The append time at which the next shadow is retired if it gets no more rows."""
    times = (_retirement_ms(key, life, last_append_ms, after) for key, life in lives.items())
    return min((at_ms for at_ms in times if at_ms is not None), default=None)


def belonging(
    lives: Lives, items: Iterable[tuple[int, Summary | JoinedRows | Progress | LifeRequest]]
) -> Iterator[tuple[int, Summary | JoinedRows | Progress]]:
    """The summaries and the progress of versions that are not retired, since their last reset."""
    for offset, item in items:
        if isinstance(item, Summary | JoinedRows):
            if _belongs(lives.get(item.key.version_key), offset):
                yield offset, item
        elif isinstance(item, Progress):
            yield offset, _progress_of(lives, item, offset)


def kept_panes(
    lives: Lives, panes: Mapping[Key, Mapping[int, Pane]]
) -> dict[Key, Mapping[int, Pane]]:
    """The panes of versions that are not retired, since their last reset."""
    return {
        key: {ms: pane for ms, pane in of.items() if _belongs(life, pane.first_offset)}
        for key, life, of in ((key, lives.get(key.version_key), of) for key, of in panes.items())
    }


def _progress_of(lives: Lives, progress: Progress, offset: int) -> Progress:
    if not any(key in lives for key in (*progress.seen, *progress.joined)):
        return progress
    seen = {
        key: {number: one for number, one in of.items() if not _reset(lives.get(key), one)}
        for key, of in progress.seen.items()
        if _belongs(lives.get(key), offset)
    }
    joined = {
        key: {n: one for n, one in of.items() if not _of_earlier_life(lives.get(key), one)}
        for key, of in progress.joined.items()
        if _belongs(lives.get(key), offset)
    }
    return replace(progress, seen=_not_empty(seen), joined=_not_empty(joined))


def _not_empty(of: Mapping[VersionKey, Mapping[int, T]]) -> dict[VersionKey, Mapping[int, T]]:
    return {key: parts for key, parts in of.items() if parts}


def _belongs(life: Life | None, offset: int) -> bool:
    return life is None or (life.state != VersionState.RETIRED and offset > life.after_offset)


def _reset(life: Life | None, seen: Seen) -> bool:
    """Whether the rows that were seen begin before the version was reset."""
    reset_ms = None if life is None else life.reset_ms
    return reset_ms is not None and seen.first_append_ms <= reset_ms


def _of_earlier_life(life: Life | None, joined: JoinedTime) -> bool:
    """Whether ``join`` has not yet seen that the version began afresh."""
    return joined.life is not None and joined.life < life_number(life)


def _reset_ms(life: Life | None) -> int | None:
    return None if life is None else life.reset_ms


def _live(lives: Lives, key: VersionKey, life: Life) -> dict[VersionKey, Life]:
    """``key`` becomes live, and the version that was live becomes a shadow."""
    replaced = {
        other: replace(
            before,
            state=VersionState.SHADOW,
            since_ms=life.since_ms,
            by=life.by,
            why=f"replaced by version {key[1]}",
        )
        for other, before in lives.items()
        if other[0] == key[0] and other != key and before.state == VersionState.LIVE
    }
    return {**replaced, key: life}


def _retirement_ms(
    key: VersionKey, life: Life, last_append_ms: LastAppend, after: RetireAfter
) -> int | None:
    if life.state != VersionState.SHADOW:
        return None
    span_ms, last_ms = after(key[0]), latest(last_append_ms(key), life.since_ms)
    return None if span_ms is None or last_ms is None else last_ms + span_ms
