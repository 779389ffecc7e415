"""The decision threshold of a model, from the predictions of its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEFAULT = 0.5


@dataclass(frozen=True, slots=True)
class Threshold:
    value: float
    why: str
    warning: str | None = None


def threshold_of(
    given: float | None, score: NDArray[np.float64], predicted: NDArray[np.int64] | None
) -> Threshold:
    """As ``given``, or by the predictions; both arrays have shape (n,)."""
    if predicted is None:
        return Threshold(DEFAULT, "by default") if given is None else Threshold(given, "as given")
    value, why = (given, "as given") if given is not None else _separating(score, predicted)
    wrong = int((predicted_by(score, value) != predicted).sum())
    if not wrong:
        return Threshold(value, why)
    return Threshold(
        value,
        why,
        f"{wrong:,} of {predicted.size:,} predictions disagree with the threshold {value:g}:"
        " what is expected is computed with the threshold, what is realised with the predictions;"
        " give the threshold that they were made with by --threshold",
    )


def predicted_by(score: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """The classes that follow from the scores, shape (n,)."""
    return (score >= threshold).astype(np.int64)


def _separating(score: NDArray[np.float64], predicted: NDArray[np.int64]) -> tuple[float, str]:
    """The threshold that fewest predictions disagree with: ``DEFAULT`` if it is one of them.

    Otherwise the one with the fewest digits between the two scores that it separates.
    """
    order = np.argsort(score, kind="stable")
    ordered, positive = score[order], predicted[order] == 1
    # Disagreements if the first i rows, in the order of scores, are predicted to be negative.
    errors = np.concatenate([[0], np.cumsum(positive)]) + np.concatenate(
        [np.cumsum(~positive[::-1])[::-1], [0]]
    )
    distinct = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    errors = np.where(distinct, errors, score.size + 1)
    least = int(errors.min())
    if int((predicted_by(score, DEFAULT) != predicted).sum()) == least:
        return DEFAULT, "by default; it fits the predictions best"
    cut = int(np.argmin(errors))
    low = ordered[cut - 1] if cut else 0.0
    high = ordered[cut] if cut < score.size else 1.0
    return _shortest(float(low), float(high)), "it fits the predictions best"


def _shortest(low: float, high: float) -> float:
    """The number with the fewest decimals that is above ``low`` and at most ``high``."""
    for digits in range(1, 17):
        found = round(np.floor(high * 10**digits) / 10**digits, digits)
        if low < found <= high:
            return float(found)
    return high
