"""What a reward model is worth when it may say "not sure": accuracy where it commits itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from preftune.evaluation.reward_accuracy import correctness
from preftune.records import BadInput, Estimate
from preftune.stats import Clusters, brier, fit_temperature, pair_calibration, share_estimate

SHARES = tuple(share / 10 for share in range(10, 0, -1))


@dataclass(frozen=True, slots=True)
class Commitment:
    """What the model says of the pairs it is at least this certain of."""

    certainty: float
    """The least max(p, 1 − p) among them."""
    coverage: float
    """The share of pairs it commits itself to."""
    accuracy: Estimate
    """The share of those it is right about, ties half."""

    def as_json(self) -> dict[str, object]:
        return {
            "certainty": self.certainty,
            "coverage": self.coverage,
            "accuracy": self.accuracy.as_json(),
        }


def coverage_curve(
    gaps: ArrayLike,
    clusters: Clusters | None = None,
    *,
    temperature: float = 1.0,
    shares: Sequence[float] = SHARES,
) -> list[Commitment]:
    """Accuracy on the surest ``share`` of the pairs, for each share, all of them first.

    ``gaps`` are score of chosen minus rejected; certainty is max(p, 1 − p) with p = sigmoid(gap /
    ``temperature``). Pairs of equal certainty go together, so a coverage may exceed its share;
    the temperature changes certainties and no accuracy. Risk and coverage as in Geifman and
    El-Yaniv 2017.
    """
    gap = _gaps(gaps)
    certainty = expit(np.abs(gap) / temperature)
    order = np.sort(certainty)[::-1]
    places = [max(round(share * gap.size), 1) - 1 for share in shares]
    levels = dict.fromkeys(float(order[place]) for place in places)
    found = [commitment(gap, clusters, temperature=temperature, at_least=c) for c in levels]
    return [point for point in found if point is not None]


def commitment(
    gaps: ArrayLike,
    clusters: Clusters | None = None,
    *,
    temperature: float = 1.0,
    at_least: float,
) -> Commitment | None:
    """The pairs whose certainty is ``at_least`` this; None when the model is sure of none."""
    gap = _gaps(gaps)
    certainty = expit(np.abs(gap) / temperature)
    sure = np.flatnonzero(certainty >= at_least)
    if sure.size == 0:
        return None
    units = None if clusters is None else [clusters[place] for place in sure.tolist()]
    return Commitment(
        certainty=float(certainty[sure].min()),
        coverage=sure.size / gap.size,
        accuracy=share_estimate(correctness(gap[sure]), units),
    )


def calibration_summary(
    gaps: ArrayLike,
    observed: ArrayLike,
    clusters: Clusters | None = None,
    *,
    not_sure_below: float,
) -> Mapping[str, Any]:
    """A temperature fitted on these pairs, what it mends, and what abstaining is worth.

    ``observed`` is the share of votes for chosen. ``before`` and ``after`` are measured on the
    pairs the temperature was fitted on: measure on others what it is worth.
    """
    gap = _gaps(gaps)
    temperature = fit_temperature(gap, observed)
    sure = commitment(gap, clusters, temperature=temperature, at_least=not_sure_below)
    return {
        "temperature": temperature,
        "calibration": {
            "before": _stated(expit(gap), observed),
            "after": _stated(expit(gap / temperature), observed),
        },
        "not_sure": {
            "below": not_sure_below,
            "share": 1.0 - (sure.coverage if sure else 0.0),
            "accuracy_where_sure": sure.accuracy.as_json() if sure else None,
        },
        "coverage": [
            point.as_json() for point in coverage_curve(gap, clusters, temperature=temperature)
        ],
    }


def calibrated_summary(
    gaps: ArrayLike,
    observed: ArrayLike,
    clusters: Clusters | None = None,
    *,
    temperature: float,
) -> dict[str, Any]:
    """On held-out pairs: what the stored temperature is worth, and the coverage curve."""
    gap = _gaps(gaps)
    after = _stated(expit(gap / temperature), observed)
    return {
        "temperature": temperature,
        "brier": brier(expit(gap), observed),
        "brier_calibrated": after["brier"],
        "ece_calibrated": after["ece"],
        "coverage": [
            point.as_json() for point in coverage_curve(gap, clusters, temperature=temperature)
        ],
    }


def _stated(probabilities: ArrayLike, observed: ArrayLike) -> dict[str, float]:
    return {
        "brier": brier(probabilities, observed),
        "ece": pair_calibration(probabilities, observed).ece,
    }


def _gaps(gaps: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(gaps, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not bool(np.isfinite(array).all()):
        raise BadInput("Score gaps must be a list of finite numbers, one or more.")
    return array
