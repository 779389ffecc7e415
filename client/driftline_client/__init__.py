"""The findings of Driftline in Python: ``Driftline(url).drift("distance").to_pandas()``.

Predictions and labels are sent with ``driftline_client.kafka``, which needs the extra ``kafka``.
"""

from driftline_client.driftline import Driftline
from driftline_client.errors import DriftlineError
from driftline_client.table import Table

__all__ = ["Driftline", "DriftlineError", "Table"]
