"""A window with all its parts."""

from __future__ import annotations

from pydantic import Field

from api.answers.drift import ConceptPart, DataPart
from api.answers.fields import Answer, Life, Segment, Window
from api.answers.performance import Performance


class WindowData(DataPart):
    revision: int = Field(ge=0, description="Revision of this part.")
    status: str = Field(description="`closed`, `incomplete` or `no_data`.")


class WindowPerformance(Performance):
    revision: int = Field(ge=0, description="Revision of this part.")
    status: str = Field(description="`provisional` or `final`.")


class WindowItem(Answer):
    """A window with all its parts, as on the topic `windows`."""

    model: str
    version: str
    segment: Segment = ""
    life: Life = 0
    plan: str | None = Field(
        None,
        description="Hash of the settings by which it was judged, as in `/health`. Null if an"
        " earlier release has judged it.",
    )
    window: Window = Field(
        description="`revision` is that of the whole window, `status` that of its data."
    )
    data: WindowData
    concept: ConceptPart | None
    performance: WindowPerformance | None
