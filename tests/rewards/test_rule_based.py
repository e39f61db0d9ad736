"""Rule-based rewards: weights against the exact linear programme, and the score they make."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import linprog

from preftune.records import Axes, BadInput, Completion
from preftune.rewards import Ordered, RuleBasedScore, fit_rule_weights
from tests.rewards.made import completions

NAMES = [f"p{k}" for k in range(8)]


def made(seed: int, noise: float, pairs: int = 120) -> list[Ordered]:
    """Completions graded 0 to 1, ordered by true weights with some pairs the wrong way round."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=len(NAMES))
    found = []
    for _ in range(pairs):
        grades, base = rng.random((2, len(NAMES))), rng.normal(size=2)
        worth = grades @ truth + 0.5 * base
        better = int(worth[1] > worth[0]) ^ int(rng.random() < noise)
        sides = [dict(zip(NAMES, grades[side].tolist(), strict=True)) for side in (0, 1)]
        found.append(
            Ordered(
                sides[better],
                sides[1 - better],
                float(base[better]),
                float(base[1 - better]),
                float(rng.choice([0.5, 1.0])),
            )
        )
    return found


def exact(pairs: Sequence[Ordered]) -> float:
    """min mean ξ subject to ξ_p ≥ m_p − b_p − φ_p · w, ξ ≥ 0, by HiGHS."""
    phi = np.array([[p.better[n] - p.worse[n] for n in NAMES] for p in pairs])
    short = np.array([p.margin - (p.better_base - p.worse_base) for p in pairs])
    count = len(pairs)
    cost = np.concatenate([np.zeros(len(NAMES)), np.full(count, 1 / count)])
    found = linprog(
        cost,
        A_ub=np.hstack([-phi, -np.eye(count)]),
        b_ub=-short,
        bounds=[(None, None)] * len(NAMES) + [(0, None)] * count,
    )
    assert found.success
    return float(found.fun)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.4])
def test_the_fit_is_within_one_percent_of_the_exact_optimum(seed: int, noise: float) -> None:
    pairs = made(seed, noise)
    best = exact(pairs)
    fitted = fit_rule_weights(pairs)
    assert best - 1e-9 <= fitted.loss <= max(1.01 * best, best + 1e-3)
    short = [
        p.margin
        - (p.better_base - p.worse_base)
        - sum(w * (p.better[n] - p.worse[n]) for n, w in fitted.weights.items())
        for p in pairs
    ]
    assert fitted.loss == pytest.approx(np.maximum(short, 0).mean())


def test_completions_that_can_be_told_apart_leave_no_loss() -> None:
    """One proposition decides and 7 say nothing: a weight of at least 1 / .5."""
    pairs = [
        Ordered(
            {n: 1.0 if n == "p0" else 0.3 for n in NAMES}, dict.fromkeys(NAMES, 0.3) | {"p0": 0.5}
        )
    ]
    fitted = fit_rule_weights(pairs)
    assert fitted.loss == pytest.approx(0.0, abs=1e-3) and fitted.weights["p0"] >= 1.99
    assert fitted.weights["p1"] == 0.0


def test_weight_decay_makes_weights_smaller() -> None:
    pairs = made(0, 0.1)
    plain, small = fit_rule_weights(pairs), fit_rule_weights(pairs, weight_decay=0.5)
    size = [sum(w * w for w in fitted.weights.values()) for fitted in (plain, small)]
    assert size[1] < size[0] and small.loss >= plain.loss


def test_what_cannot_be_fitted_is_told() -> None:
    with pytest.raises(BadInput, match="no ordered"):
        fit_rule_weights([])
    with pytest.raises(BadInput, match="every proposition"):
        fit_rule_weights([Ordered({"a": 1.0}, {"b": 1.0})])


class Graded:
    """Grades by the text: 'sorry' is an apology, 'no' a refusal; '?' is not gradable."""

    origin = "judge"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [
            None
            if c.text == "?"
            else {"apology": float("sorry" in c.text), "refusal": float("no" in c.text), "x": 9.0}
            for c in completions
        ]


def test_weights_by_the_type_of_response_a_prompt_asks_for() -> None:
    score = RuleBasedScore(
        Graded(),
        {"refuse": {"apology": 0.5, "refusal": 1.0}, "comply": {"refusal": -2.0}},
    )
    assert score.origin == "judge"
    kinds = ["refuse", "comply", "comply", None, "refuse"]
    found = score(completions("sorry, no", "no", "yes", "no", "?", response_type=kinds))
    assert found == [
        {"apology": 1.0, "refusal": 1.0, "score": 1.5},
        {"refusal": 1.0, "score": -2.0},
        {"refusal": 0.0, "score": 0.0},
        None,
        None,
    ]
