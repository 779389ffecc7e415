"""The response models of the API; its OpenAPI document is generated from them."""

from api.answers.drift import (
    ConceptDrift,
    ConceptPart,
    DataDrift,
    DataPart,
    Detector,
    Estimate,
    FeatureHistoryItem,
)
from api.answers.features import DataQuality, Distribution, Feature, UnseenCategories
from api.answers.fields import Answer, Page, Window
from api.answers.health import Collecting, Health, LabelCounts, RecordCounts, Worker
from api.answers.incidents import Incident, IncidentHistory
from api.answers.models import Model
from api.answers.performance import Baseline, HistoryItem, LatestMetrics, Metric
from api.answers.retraining import Reason, Retraining
from api.answers.segments import SegmentItem, Segments
from api.answers.windows import WindowItem

__all__ = [
    "Answer",
    "Baseline",
    "Collecting",
    "ConceptDrift",
    "ConceptPart",
    "DataDrift",
    "DataPart",
    "DataQuality",
    "Detector",
    "Distribution",
    "Estimate",
    "Feature",
    "FeatureHistoryItem",
    "Health",
    "HistoryItem",
    "Incident",
    "IncidentHistory",
    "LabelCounts",
    "LatestMetrics",
    "Metric",
    "Model",
    "Page",
    "Reason",
    "RecordCounts",
    "Retraining",
    "SegmentItem",
    "Segments",
    "UnseenCategories",
    "Window",
    "WindowItem",
    "Worker",
]
