"""A worker learns from a reference once: not if the registration did, nor if its disk remembers."""

from dataclasses import replace
from functools import cache

import pytest

from consumers.roles import learning
from consumers.roles.learning import Learning
from monitor.tasks.binary import BINARY
from monitor.windows.learned import Learned
from producers.contract.learned import encode_learned, learned_key
from producers.contract.profiles import content_hash
from tests.consumers.in_memory import PANE, plan, profile

PLAN = plan()
OTHER = replace(PLAN, windows=replace(PLAN.windows, longest_ms=4 * PANE))
learned = cache(Learned.of)


@pytest.fixture
def runs(monkeypatch):
    """The number of times that a worker has learned."""
    monkeypatch.setattr(learning.Learned, "of", learned)
    return []


@pytest.fixture
def worker(tmp_path, runs):
    def run(work):
        runs.append(work)
        return work()

    return Learning(tmp_path / "learned", run)


def published(of_plan):
    key = learned_key(of_plan, content_hash(profile()))
    return encode_learned(learned(of_plan, profile()), key, BINARY)


def test_what_the_registration_has_learned_is_used(worker, runs):
    evaluator = worker.evaluator(PLAN, profile(), published(PLAN))
    assert runs == []
    assert evaluator.baseline == learned(PLAN, profile()).baseline


@pytest.mark.parametrize("for_plan", [None, OTHER])
def test_what_was_not_published_is_learned_once_and_kept_on_disk(worker, runs, tmp_path, for_plan):
    given = None if for_plan is None else published(for_plan)
    for _ in range(2):
        worker.evaluator(PLAN, profile(), given)
        worker = Learning(tmp_path / "learned", worker._run)
    assert len(runs) == 1


def test_the_disk_keeps_the_newest_windows_of_a_version_only(worker, runs, tmp_path):
    for of_plan in (PLAN, OTHER, OTHER, PLAN):
        worker.evaluator(of_plan, profile(), None)
    worker.evaluator(PLAN, profile(version="2", threshold=0.8), None)
    assert len(runs) == 4
    assert len(list((tmp_path / "learned").iterdir())) == 2


def test_a_damaged_file_is_replaced(worker, runs, tmp_path):
    worker.evaluator(PLAN, profile(), None)
    (file,) = (tmp_path / "learned").iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    worker.evaluator(PLAN, profile(), None)
    worker.evaluator(PLAN, profile(), None)
    assert len(runs) == 2


def test_a_disk_that_cannot_be_written_is_reported(worker, tmp_path, caplog):
    (tmp_path / "learned").write_text("a file, not a directory")
    worker.evaluator(PLAN, profile(), None)
    assert "cannot be written" in caplog.text


def test_a_profile_of_another_pane_is_refused_and_nothing_is_kept(worker, tmp_path):
    with pytest.raises(ValueError, match="was taken with panes of"):
        worker.evaluator(PLAN, profile(pane_ms=2 * PANE), None)
    assert list(tmp_path.iterdir()) == []
