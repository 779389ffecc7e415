"""Long work in a batch: the client is polled, and goes on as if nothing had been."""

import threading

import pytest

from consumers.processes import long_work
from consumers.processes.long_work import LongWork


class Member:
    def __init__(self):
        self.calls = []

    def pause_all(self):
        self.calls.append("pause")

    def keep_alive(self):
        self.calls.append("poll")
        return True

    def resume_unless_rebalanced(self):
        self.calls.append("resume")


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(long_work, "EVERY_S", 0.001)


def test_the_client_is_polled_while_everything_is_paused_until_the_work_is_done():
    member, beats = Member(), []
    polled = threading.Event()

    def beat():
        beats.append(1)
        if len(beats) == 3:
            polled.set()

    assert LongWork(member, beat)(lambda: polled.wait(10)) is True
    assert member.calls == ["pause", *["poll"] * len(beats), "resume"]
    assert len(beats) >= 3


def test_an_error_of_the_work_is_raised_after_everything_was_resumed():
    member = Member()

    def fails():
        raise ValueError("no such figure")

    with pytest.raises(ValueError, match="no such figure"):
        LongWork(member, lambda: None)(fails)
    assert member.calls[0] == "pause"
    assert member.calls[-1] == "resume"
