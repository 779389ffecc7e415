"""Workers that end at the points of ``driftline.fault_points``, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from driftline.fault_points import EXIT_CODE
from tests.integration.deployment import Deployment

TRANSACTION_FAULTS = (
    *("after-begin:2", "after-output:2", "after-offsets:1", "before-commit:2"),
    *("after-commit:2", "after-disk:1"),
)
FAULTS = {
    "aggregate": TRANSACTION_FAULTS,
    "join": TRANSACTION_FAULTS,
    "detect": TRANSACTION_FAULTS,
    "store": ("after-database:1", "after-database:2"),
}


class FaultyWorkers:
    """One worker of each role, each ending at its faults in turn; without one at the end."""

    def __init__(
        self, deployment: Deployment, faults: Mapping[str, Sequence[str]] = FAULTS
    ) -> None:
        self._deployment = deployment
        self.faults = {role: list(own) for role, own in faults.items()}
        for role, own in self.faults.items():
            deployment.start(role, fault=own[0])

    def restart(self) -> bool:
        """Restart the workers that have ended. Whether any fault has not been reached yet."""
        for role, faults in self.faults.items():
            status = self._deployment.processes[f"{role}-0"].poll()
            if status is not None:
                assert status == EXIT_CODE, self._deployment.logs()
                assert self._last_log_line(role) == f"DRIFTLINE_FAULT: ended at {point(faults[0])}"
                del faults[0]
                self._deployment.start(role, fault=faults[0] if faults else None)
        return any(self.faults.values())

    def are_reading(self) -> bool:
        """Whether each of them has begun to read since its last fault."""
        logs = [self._log(role).rpartition("DRIFTLINE_FAULT")[2] for role in self.faults]
        return all("is reading" in log for log in logs)

    def _last_log_line(self, role: str) -> str:
        return self._log(role).splitlines()[-1]

    def _log(self, role: str) -> str:
        return (self._deployment.directory / f"{role}-0.log").read_text()


def point(fault: str) -> str:
    return fault.partition(":")[0]
