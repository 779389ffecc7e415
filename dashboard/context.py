"""What a page is given: the API, the model version that was chosen, and a way to other pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from api.answers import Model
from dashboard.client import Client, ModelVersion


class Link(Protocol):
    def __call__(self, label: str, page: str, **parameters: str | None) -> None:
        """Shows a link to ``page``. The model and its version are in it without being named."""


@dataclass(frozen=True, slots=True)
class PageContext:
    client: Client
    model: Model
    others: tuple[Model, ...]  # every other model version, the one registered last first
    link: Link

    @property
    def of(self) -> ModelVersion:
        return ModelVersion(self.model.model, self.model.version)
