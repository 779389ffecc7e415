"""A condition that becomes true when a signal asks the process to stop."""

from __future__ import annotations

import signal
from types import FrameType


class StopSignal:
    """True after Ctrl-C or SIGTERM, and with ``hangup`` after SIGHUP; the current work is finished.

    SIGHUP stays ignored if it was, as under ``nohup``.
    """

    def __init__(self, *, hangup: bool = False) -> None:
        self._received = False
        signals = [signal.SIGINT, signal.SIGTERM]
        if hangup and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signals.append(signal.SIGHUP)
        for number in signals:
            signal.signal(number, self._receive)

    def __call__(self) -> bool:
        return self._received

    def _receive(self, _signal: int, _frame: FrameType | None) -> None:
        self._received = True
