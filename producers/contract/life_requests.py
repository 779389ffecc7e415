"""Requests to change the state of a model version, written to its partition of ``summaries``.

They take effect at their offset, so that the results of a model stay a function of its log.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from monitor.windows.lives import LifeAction


class LifeRequestMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="request"):
    schema: Literal[1] = 1
    model: str
    version: str
    action: LifeAction
    by: str  # who requested it
    why: str
