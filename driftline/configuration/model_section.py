"""The settings of one model."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from driftline.configuration.sections import Section


class ModelSection(Section):
    """Settings of one model: any keys of these sections, and its segments."""

    windows: dict[str, Any] = Field(default_factory=dict)
    time: dict[str, Any] = Field(default_factory=dict)
    drift: dict[str, Any] = Field(default_factory=dict)
    performance: dict[str, Any] = Field(default_factory=dict)
    traffic: dict[str, Any] = Field(default_factory=dict)
    retraining: dict[str, Any] = Field(default_factory=dict)
    segments: list[str | list[str]] = Field(
        default_factory=list,
        description="How its rows are divided into segments, each watched beside the whole: by a"
        " categorical feature (`origin`), by ranges of a number (`age:18,30,50`), or by a list of"
        " these. `register` and `train` take the values from the reference.",
    )
    max_segments: int = Field(
        default=50,
        description="Most segments of each of `segments`; rows of rarer values are `other`.",
    )
