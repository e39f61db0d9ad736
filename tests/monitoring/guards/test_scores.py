"""Guards over the score, and how often the one that stops runs is wrong."""

from math import sqrt
from typing import Any

import numpy as np
import pytest

from preftune.monitoring.guards import scores
from preftune.recipe import Guards
from tests.monitoring.guards.made import DEFAULT, steady, then


def curve(values: list[float]) -> list[dict[str, Any]]:
    return steady(len(values), objective__scores=values)


def test_a_score_that_stands_still_is_a_plateau() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 60).tolist()
    flat = [min(step / 20, 1.0) + wobble for step, wobble in enumerate(noise)]
    verdict = scores.plateau(DEFAULT, curve(flat))
    assert verdict.level == "warn"
    assert verdict.evidence["gained"] == pytest.approx(0.95, abs=0.02)


def test_a_score_that_rises_is_none() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 60).tolist()
    rising = [step / 40 + wobble for step, wobble in enumerate(noise)]
    assert scores.plateau(DEFAULT, curve(rising)).level == "ok"
    assert scores.plateau(DEFAULT, curve([0.0] * 32)).level == "ok", "too early to say"


def judged(rates: list[float], score: list[float], count: int = 128) -> list[dict[str, Any]]:
    """An evaluation every fifth iteration, with the interval of ``count`` prompts."""
    rows = steady(len(score), proxy__score=score)
    for row, rate in zip(rows[::5], rates, strict=True):
        half = 1.96 * sqrt(rate * (1 - rate) / count)
        row |= {
            "judge/win_rate": rate,
            "judge/win_rate_low": rate - half,
            "judge/win_rate_high": rate + half,
        }
    return rows


RISING = [step / 10 for step in range(41)]


def test_score_up_and_win_rate_down_halts() -> None:
    rates = [0.5, 0.6, 0.7, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3]
    verdict = scores.overoptimization(DEFAULT, judged(rates, RISING))
    assert verdict.level == "halt"
    assert verdict.evidence["best_step"] == 16.0
    # .75 and .4 (the better of the last two) of 128: the difference over both variances' root
    error = sqrt(0.75 * 0.25 / 128 + 0.4 * 0.6 / 128)
    assert verdict.evidence["standard_errors"] == pytest.approx(0.35 / error)


def test_score_up_and_win_rate_flat_warns() -> None:
    rates = [0.5, 0.6, 0.7, 0.75, 0.74, 0.72, 0.73, 0.74, 0.73]
    assert scores.overoptimization(DEFAULT, judged(rates, RISING)).level == "warn"


def test_both_up_is_what_is_wanted() -> None:
    rates = [0.5, 0.55, 0.6, 0.62, 0.66, 0.7, 0.74, 0.78, 0.8]
    assert scores.overoptimization(DEFAULT, judged(rates, RISING)).level == "ok"


def test_both_down_is_another_trouble() -> None:
    rates = [0.5, 0.6, 0.7, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3]
    falling = [2.0 - step / 20 for step in range(41)]
    assert scores.overoptimization(DEFAULT, judged(rates, falling)).level == "ok"


def test_a_win_rate_that_only_wobbles_stops_few_runs() -> None:
    """200 runs whose win rate stays at 70 %, twenty evaluations of 128 prompts each."""
    rng = np.random.default_rng(5)
    score = [step / 10 + float(x) for step, x in enumerate(rng.normal(0, 0.02, 96))]
    stopped = 0
    for _ in range(200):
        rates = (rng.binomial(128, 0.7, 20) / 128).tolist()
        history = judged(rates, score)
        stopped += any(
            scores.overoptimization(DEFAULT, history[: place + 1]).level == "halt"
            for place in range(0, 96, 5)
        )
    assert stopped <= 10


@pytest.mark.parametrize(("now", "level"), [(0.15, "ok"), (0.25, "warn"), (0.5, "halt")])
def test_disagreement_grows(now: float, level: str) -> None:
    history = steady(8, rewards__disagreement__mean=then(0.1, now))
    assert scores.uncertainty(DEFAULT, history).level == level


def test_one_reward_model_disagrees_with_nobody() -> None:
    assert scores.uncertainty(DEFAULT, steady(8, proxy__score=1.0)).level == "ok"


@pytest.mark.parametrize(
    ("now", "level"), [(2.0, "ok"), (3.0, "warn"), (5.5, "halt"), (-3.0, "warn")]
)
def test_scores_that_leave_what_was_known(now: float, level: str) -> None:
    """The beginning has mean 0 and a spread of .8; 2.4 and 4.8 are three and six spreads away."""
    history = steady(8, proxy__score=then(0.0, now), proxy__score_std=0.8)
    assert scores.score_range(DEFAULT, history).level == level


def test_patience_is_the_recipe_s() -> None:
    rates = [0.5, 0.6, 0.7, 0.75, 0.74, 0.72, 0.73, 0.74, 0.73]
    patient = Guards.model_validate({"overoptimization": {"patience": 6}})
    assert scores.overoptimization(patient, judged(rates, RISING)).level == "ok"
