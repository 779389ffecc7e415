"""The one error of this package."""

from __future__ import annotations


class DriftlineError(Exception):
    """Why something failed, in one sentence; of an answer of the API, the sentence of the API.

    ``status`` is the HTTP status of such an answer, else None.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
