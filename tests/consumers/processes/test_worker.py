"""Starting a worker."""

import subprocess
import sys


def test_worker_starts_without_packages_that_most_roles_do_not_need():
    code = (
        "import sys, consumers.processes.worker;"
        "print({'pandas', 'river', 'scipy.stats', 'sklearn', 'sqlalchemy'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr
