"""Judges measured against people, and the gate before they may label."""

import numpy as np
import pytest

from preftune.judging import (
    JudgeLimits,
    NoVerdict,
    PairOpinion,
    judge_gate,
    measure_pairs,
    measure_proposition,
)

GONE, HM = NoVerdict("failed", "gone"), NoVerdict("unclear", "hm")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_pairwise_judge_by_hand() -> None:
    """Six pairs with a verdict; people are even on the fifth. Of the five decided the judge is
    right on three, wrong on one and even on one: (3 + .5)/5 = .7. κ over the four where both
    decide: observed 3/4; first shares 2/4 and 3/4, chance .5, so κ = .5. Orders agree in five of
    six. Of the 12 orders the first shown wins 7 times and one pair is even in both."""
    opinions = [
        PairOpinion(0.9, 0.7),  # first: shown first wins, then shown second wins
        PairOpinion(0.8, 0.8),
        PairOpinion(0.3, 0.1),
        PairOpinion(0.4, 0.2),
        PairOpinion(0.9, 0.3),  # inconsistent, and people are even
        PairOpinion(0.5, 0.5),
        PairOpinion(GONE, 0.9),
        PairOpinion(0.9, HM),
    ]
    shares = [1.0, 0.8, 0.0, 0.9, 0.5, 1.0, 1.0, 0.0]
    found = measure_pairs(opinions, shares, [f"p{n}" for n in range(8)], rng())
    assert (found["pairs"], found["judged"], found["unclear"], found["failed"]) == (8, 6, 1, 1)
    assert found["agreement"]["value"] == pytest.approx(0.7)
    assert found["kappa"]["value"] == pytest.approx(0.5) and found["kappa"]["count"] == 4
    assert found["consistency"]["value"] == pytest.approx(5 / 6)
    first_wins = [1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0.5, 0.5]
    assert found["first_preferred"]["value"] == pytest.approx(sum(first_wins) / 12)
    p = np.array([0.8, 0.8, 0.2, 0.3, 0.6, 0.5])
    y = np.array([1.0, 0.8, 0.0, 0.9, 0.5, 1.0])
    assert found["brier"] == pytest.approx(((p - y) ** 2).mean())
    assert found["kappa"]["low"] <= 0.5 <= found["kappa"]["high"]


def test_a_judge_that_never_answered_is_not_measured() -> None:
    found = measure_pairs([PairOpinion(GONE, GONE)] * 3, [1.0] * 3, ["a", "b", "c"], rng())
    assert found["judged"] == 0 and found["failed"] == 3
    assert found["kappa"] is None and found["agreement"] is None
    assert judge_gate(found).ok is False


def test_a_proposition_by_hand() -> None:
    """Yes, yes, no, no, no against .9, .2, .8, .1, unclear: two of four right, one of the two yes
    found, one of the two graded yes true; κ is 0."""
    grades = [0.9, 0.2, 0.8, 0.1, HM]
    truths = [True, True, False, False, False]
    found = measure_proposition(grades, truths, list("abcde"), rng())
    assert (found["responses"], found["graded"], found["unclear"]) == (5, 4, 1)
    assert (found["yes"], found["base_rate"]) == (2, pytest.approx(0.6))
    for name in ("accuracy", "precision", "recall"):
        assert found[name]["value"] == 0.5, name
    assert found["kappa"]["value"] == pytest.approx(0.0)
    assert found["brier"] == pytest.approx((0.01 + 0.64 + 0.64 + 0.01) / 4)


def test_what_never_happens_has_no_recall() -> None:
    found = measure_proposition([0.1, 0.2], [False, False], ["a", "b"], rng())
    assert found["recall"] is None and found["precision"] is None and found["kappa"] is None
    assert found["accuracy"]["value"] == 1.0 and found["accuracy"]["low"] < 1.0
    assert measure_proposition([GONE], [True], ["a"], rng())["accuracy"] is None


GOOD = {
    "pairs": 100,
    "judged": 98,
    "kappa": {"value": 0.5, "low": 0.3, "high": 0.7, "count": 98},
    "consistency": {"value": 0.9, "low": 0.8, "high": 0.95, "count": 98},
    "ece": 0.05,
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kappa": GOOD["kappa"] | {"low": 0.1}}, "kappa is 0.50, at least 0.10"),  # type: ignore[operator]
        ({"kappa": None}, "kappa could not be measured"),
        ({"consistency": GOOD["consistency"] | {"low": 0.5}}, "consistency"),  # type: ignore[operator]
        ({"ece": 0.3}, "calibration error is 0.30"),
        ({"ece": float("nan")}, "calibration error"),
        ({"judged": 80}, "20% of the pairs have no verdict"),
        ({"pairs": 0, "judged": 0}, "no verdict"),
    ],
)
def test_the_gate_says_what_is_lacking(change: dict[str, object], says: str) -> None:
    assert judge_gate(GOOD).ok
    gate = judge_gate({**GOOD, **change})
    assert not gate.ok and len(gate.reasons) == 1 and says in gate.reasons[0]
    assert not judge_gate(GOOD, JudgeLimits(kappa=0.31)).ok
