"""What a page is given: the API, the chosen model version or segment, and links to other pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from api.answers import Model
from dashboard.client import Client, ModelVersion


class Link(Protocol):
    def __call__(self, label: str, page: str, **parameters: str | None) -> None:
        """Show a link to ``page``. It carries the model and its version."""


@dataclass(frozen=True, slots=True)
class PageContext:
    client: Client
    model: Model
    other_models: tuple[Model, ...]  # every other model version, the last registered first
    link: Link
    segment: str = ""  # the whole

    @property
    def model_version(self) -> ModelVersion:
        """The chosen version, or the chosen segment of it."""
        return ModelVersion(self.model.model, self.model.version, self.segment)
