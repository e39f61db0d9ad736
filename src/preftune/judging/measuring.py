"""How far a judge can be trusted, measured before it may label anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from preftune.judging.pairwise import PairOpinion
from preftune.judging.verdicts import NoVerdict
from preftune.records import Estimate
from preftune.stats import (
    bootstrap_estimate,
    brier,
    cohen_kappa,
    expected_calibration_error,
    pair_calibration,
    share_estimate,
)

RESAMPLES = 1000


def measure_pairs(
    opinions: Sequence[PairOpinion],
    shares: Sequence[float],
    prompts: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """A pairwise judge against people, with 95 % intervals clustered by prompt.

    ``shares`` are people's share of votes for each pair's first response. ``agreement`` and
    ``kappa`` are over pairs that people are not even on; an even verdict is half right, and no
    rating for κ. ``consistency`` is the share of pairs where both orders prefer the same response,
    ``first_preferred`` the share of orders in which the response shown first won (.5 without a
    liking for places), ``ece`` the calibration error of the mean probability.
    """
    kept = [place for place, opinion in enumerate(opinions) if opinion.probability is not None]
    p = np.array([opinions[place].probability for place in kept], dtype=np.float64)
    y = np.array([shares[place] for place in kept], dtype=np.float64)
    units = [prompts[place] for place in kept]
    found: dict[str, Any] = {
        "pairs": len(opinions),
        "judged": len(kept),
        **_missing([opinion.missing for opinion in opinions]),
        "agreement": None,
        "kappa": None,
        "consistency": None,
        "first_preferred": None,
        "ece": None,
        "brier": None,
    }
    if not kept:
        return found
    consistent = [float(bool(opinions[place].consistent)) for place in kept]
    first = [_first_wins(opinions[place]) for place in kept]
    found["consistency"] = share_estimate(consistent, units).as_json()
    found["first_preferred"] = share_estimate(first, units).as_json()
    found["ece"] = pair_calibration(p, y).ece
    found["brier"] = brier(p, y)
    decided = np.flatnonzero(y != 0.5)
    if decided.size:
        right = 0.5 + 0.5 * np.sign(p - 0.5) * np.sign(y - 0.5)
        found["agreement"] = share_estimate(
            right[decided], [units[int(i)] for i in decided]
        ).as_json()
    both = [int(i) for i in decided if p[i] != 0.5]
    found["kappa"] = _kappa(p[both] > 0.5, y[both] > 0.5, [units[i] for i in both], rng)
    return found


def measure_proposition(
    grades: Sequence[float | NoVerdict],
    truths: Sequence[bool],
    prompts: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """P(holds) of one proposition against people's yes and no, clustered by prompt.

    A response counts as graded yes above .5. ``recall`` is over those people say yes to,
    ``precision`` over those graded yes; None where there are none. ``base_rate`` is what always
    saying the more frequent answer would reach.
    """
    kept = [place for place, grade in enumerate(grades) if not isinstance(grade, NoVerdict)]
    p = np.array([grades[place] for place in kept], dtype=np.float64)
    y = np.array([truths[place] for place in kept], dtype=bool)
    units = [prompts[place] for place in kept]
    missing = [grade if isinstance(grade, NoVerdict) else None for grade in grades]
    yes_share = float(np.mean(np.asarray(truths, dtype=np.float64)))
    found: dict[str, Any] = {
        "responses": len(grades),
        "graded": len(kept),
        **_missing(missing),
        "yes": int(sum(truths)),
        "base_rate": max(yes_share, 1 - yes_share),
    }
    names = ("accuracy", "kappa", "precision", "recall", "ece", "brier")
    if not kept:
        return found | dict.fromkeys(names)
    said = p > 0.5
    return found | {
        "accuracy": share_estimate((said == y).astype(float), units).as_json(),
        "kappa": _kappa(said, y, units, rng),
        "precision": _share_of(y, said, units),
        "recall": _share_of(said, y, units),
        "ece": expected_calibration_error(p, y.astype(float)).ece,
        "brier": brier(p, y.astype(float)),
    }


@dataclass(frozen=True, slots=True)
class JudgeLimits:
    """What a judge must reach before it may label. Bounds are of 95 % intervals."""

    kappa: float = 0.2
    """The lower bound of κ with people is at least this."""
    consistency: float = 0.6
    """The lower bound of the share of pairs judged the same in both orders."""
    ece: float = 0.2
    """The calibration error is at most this."""
    missing: float = 0.05
    """The share of pairs without a verdict is at most this."""


@dataclass(frozen=True, slots=True)
class JudgeGate:
    """May the judge label; what it lacks, one sentence each."""

    ok: bool
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "reasons": list(self.reasons)}


def judge_gate(
    measured: Mapping[str, Any],
    limits: JudgeLimits = JudgeLimits(),  # noqa: B008
) -> JudgeGate:
    """Whether what :func:`measure_pairs` found is enough. What could not be measured is not."""
    reasons = []
    for name, least in (("kappa", limits.kappa), ("consistency", limits.consistency)):
        estimate = measured[name]
        if estimate is None:
            reasons.append(f"{name} could not be measured")
        elif not estimate["low"] >= least:
            low, value = estimate["low"], estimate["value"]
            reasons.append(f"{name} is {value:.2f}, at least {low:.2f}; {least:.2f} is needed")
    if measured["ece"] is None or not measured["ece"] <= limits.ece:
        shown = "not measured" if measured["ece"] is None else f"{measured['ece']:.2f}"
        reasons.append(f"the calibration error is {shown}; at most {limits.ece:.2f} is allowed")
    absent = 1 - measured["judged"] / measured["pairs"] if measured["pairs"] else 1.0
    if absent > limits.missing:
        reasons.append(
            f"{absent:.0%} of the pairs have no verdict; at most {limits.missing:.0%} may lack one"
        )
    return JudgeGate(not reasons, tuple(reasons))


def _first_wins(opinion: PairOpinion) -> float:
    """The share of the two orders in which the response shown first won, an even one half."""
    assert isinstance(opinion.forward, float) and isinstance(opinion.backward, float)
    wins = (opinion.forward, 1 - opinion.backward)
    return sum(0.5 + 0.5 * float(np.sign(p - 0.5)) for p in wins) / 2


def _missing(found: Sequence[NoVerdict | None]) -> dict[str, int]:
    kinds = [verdict.kind for verdict in found if verdict is not None]
    return {"unclear": kinds.count("unclear"), "failed": kinds.count("failed")}


def _kappa(
    first: ArrayLike, second: ArrayLike, units: Sequence[str], rng: np.random.Generator
) -> dict[str, float | int] | None:
    """Cohen's κ with a clustered bootstrap; None where either never varies or one prompt is all."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0 or len(set(units)) < 2:
        return None

    def statistic(one: ArrayLike, two: ArrayLike) -> float:
        return cohen_kappa(np.stack([np.asarray(one), np.asarray(two)], axis=1))

    found: Estimate = bootstrap_estimate(
        statistic, [a, b], list(units), rng=rng, resamples=RESAMPLES
    )
    return found.as_json()


def _share_of(
    values: np.ndarray, among: np.ndarray, units: Sequence[str]
) -> dict[str, float | int] | None:
    places = np.flatnonzero(among)
    if not places.size:
        return None
    return share_estimate(values[places].astype(float), [units[int(i)] for i in places]).as_json()
