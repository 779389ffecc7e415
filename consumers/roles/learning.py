"""Evaluators of model versions, without learning twice from the same reference.

What is learned from a reference takes seconds. ``register`` publishes it with the profile, for the
windows configured then. After a change of the windows the worker learns, and keeps the result on
its disk for the next start.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from monitor.counts.profile import Profile
from monitor.counts.task import Task
from monitor.identity import Key
from monitor.plan import Plan
from monitor.windows.evaluator import Evaluator
from monitor.windows.learned import Learned
from producers.contract.learned import decode_learned, encode_learned, learned_key
from producers.contract.profiles import content_hash

log = logging.getLogger(__name__)

LongWork = Callable[[Callable[[], Learned]], Learned]  # calls what it is given


def at_once(work: Callable[[], Learned]) -> Learned:
    return work()


class Learning:
    """Learns from references. ``run`` calls what takes long; see ``processes.long_work``."""

    def __init__(self, directory: Path, run: LongWork) -> None:
        self._directory, self._run = directory, run

    def evaluator(self, plan: Plan, profile: Profile, published: bytes | None) -> Evaluator:
        """``published`` is what the registration has learned, for whichever windows.

        Raises ``ValueError`` if the pane of the profile is not that of the plan.
        """
        key = learned_key(plan, content_hash(profile))
        found = None if published is None else decode_learned(published, key, profile.schema.task)
        return Evaluator.of(plan, profile, found or self._learned(plan, profile, key))

    def _learned(self, plan: Plan, profile: Profile, key: str) -> Learned:
        path = self._path(profile)
        found = _read(path, key, profile.schema.task)
        if found is None:
            log.info("learning from the reference of %s/%s", profile.model, profile.version)
            found = self._run(lambda: Learned.of(plan, profile))
            _write(path, encode_learned(found, key, profile.schema.task))
        return found

    def _path(self, profile: Profile) -> Path:
        """One file for each version, so that changes of the windows do not fill the disk."""
        segment = profile.schema.segment
        name = Key(profile.model, profile.version, segment).name.encode()
        return self._directory / f"{hashlib.sha256(name).hexdigest()[:32]}.learned"


def _read(path: Path, key: str, task: Task) -> Learned | None:
    try:
        return decode_learned(path.read_bytes(), key, task)
    except OSError:
        return None


def _write(path: Path, value: bytes) -> None:
    """Replace the file atomically. If that fails, a restart learns again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(value)
        temporary.replace(path)
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error)
