"""``streamlit run dashboard/app.py``. Reads the environment; the rest is in ``app_shell``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Streamlit imports from the folder of this file; the packages are one folder up.
if (_root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, _root)

from dashboard.app_shell import run

run(os.environ)
