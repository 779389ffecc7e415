"""What every step of the batch pipeline returns, and what the steps share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from consumers.batch.inputs import PipelineInputs
from consumers.messages.reading import SCHEMA
from consumers.messages.windows import WindowMessage
from monitor.windows.findings import WindowStatus

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PipelineStep:
    """The result of a step: a document for programs, one sentence, and lines with key figures."""

    name: str
    document: Document
    sentence: str
    details: tuple[str, ...] = ()


def header(inputs: PipelineInputs, step: str) -> Document:
    """The fields that the document of every step begins with."""
    profile = inputs.profile
    return {"schema": SCHEMA, "step": step, "model": profile.model, "version": profile.version}


def closed_windows(windows: Sequence[WindowMessage]) -> list[WindowMessage]:
    return [window for window in windows if window.data.status == WindowStatus.CLOSED]


def section_of_windows(windows: Sequence[WindowMessage], section: str) -> list[Document]:
    """One section (``data``, ``concept``, ``performance``) of every window, with its span."""
    return [
        {"start": w.start, "end": w.end, **msgspec.to_builtins(getattr(w, section))}
        for w in windows
    ]


def count_of_windows(count: int) -> str:
    return f"{count} window" if count == 1 else f"{count} windows"
