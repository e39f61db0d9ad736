"""The detector fires on histories built to turn and stays silent on those built not to."""

from collections.abc import Callable

import numpy as np
import pytest

from preftune.records import Estimate
from preftune.reports.overoptimisation import History, history, overoptimisation, parted
from tests.reports.folders import ppo_rows

Curve = Callable[[np.ndarray], np.ndarray]


def constructed(
    judge: Curve, proxy: Curve, size: int, noise: float, seed: int, judge_noise: float = 0.0
) -> History:
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, size)
    return History(
        judge_name="judge/score",
        proxy_name="proxy/score",
        steps=tuple(range(size)),
        judge=tuple(judge(t) + noise * rng.normal(size=size)),
        proxy=tuple(proxy(t) + 0.03 * rng.normal(size=size)),
        kl=tuple(10 * t),
        noise=(judge_noise,) * size if judge_noise else (),
    )


def share(judge: Curve, proxy: Curve, size: int, noise: float, times: int = 60) -> float:
    fired = 0
    for seed in range(times):
        verdict = overoptimisation(constructed(judge, proxy, size, noise, seed))
        assert verdict is not None
        fired += verdict.hacked
    return fired / times


def rising(t: np.ndarray) -> np.ndarray:
    return 2 * t


def turning(t: np.ndarray) -> np.ndarray:
    return 0.6 + 0.25 * np.where(t < 0.35, t / 0.35, 1 - 1.2 * (t - 0.35))


def plateau(t: np.ndarray) -> np.ndarray:
    return 0.6 + 0.15 * np.minimum(1, 3 * t)


def flat(t: np.ndarray) -> np.ndarray:
    return 0.6 + 0 * t


@pytest.mark.parametrize("size", [8, 11, 20, 60])
def test_a_judge_that_turns_down_under_a_rising_proxy_is_found(size: int) -> None:
    assert share(turning, rising, size, 0.01) > 0.95


@pytest.mark.parametrize("size", [6, 8, 11, 20, 60])
@pytest.mark.parametrize("judge", [rising, plateau, flat])
def test_a_judge_that_rises_stays_or_merely_wobbles_is_left_alone(judge: Curve, size: int) -> None:
    assert share(judge, rising, size, 0.02) <= 0.05


@pytest.mark.parametrize("size", [8, 20])
def test_a_fall_of_both_is_a_collapse_and_no_hacking(size: int) -> None:
    assert share(turning, flat, size, 0.01) <= 0.05
    assert share(turning, lambda t: -t, size, 0.01) == 0


def test_a_fall_smaller_than_the_stated_noise_is_not_believed() -> None:
    sure = constructed(turning, rising, 12, 0.002, 0, judge_noise=0.005)
    unsure = constructed(turning, rising, 12, 0.002, 0, judge_noise=0.2)
    first, second = overoptimisation(sure), overoptimisation(unsure)
    assert first is not None and first.hacked
    assert second is not None and not second.hacked


def test_a_small_dip_after_a_large_gain_is_not_called_hacking() -> None:
    def dip(t: np.ndarray) -> np.ndarray:
        return plateau(t) - 0.02 * np.maximum(0, t - 0.5)

    assert share(dip, rising, 40, 0.0005) == 0


def test_few_points_give_no_verdict() -> None:
    assert overoptimisation(constructed(turning, rising, 5, 0.0, 0)) is None


def test_the_peak_and_the_end_are_where_they_were_put() -> None:
    judge = (0.5, 0.6, 0.7, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4)
    seen = History(
        "judge/score", "proxy/score", tuple(range(0, 90, 10)), judge, tuple(range(9)), (), ()
    )  # type: ignore[arg-type]
    verdict = overoptimisation(seen)
    assert verdict is not None and verdict.hacked
    assert verdict.peak_step == 40
    assert verdict.judge_peak == pytest.approx(0.8)
    assert verdict.judge_last == pytest.approx(0.5)
    assert verdict.proxy_at_peak == pytest.approx(3.5)
    assert verdict.proxy_last == pytest.approx(7.0)


def test_histories_of_whole_runs_are_read_and_judged() -> None:
    for hacked in (False, True):
        seen = history(ppo_rows(hacked=hacked))
        assert seen is not None and seen.steps == tuple(range(0, 41, 4))
        verdict = overoptimisation(seen)
        assert verdict is not None and verdict.hacked is hacked


def test_a_judgement_goes_with_the_kl_and_the_score_measured_after_it() -> None:
    rows = [
        {"step": 0, "judge/score": 0.1},
        {"step": 1, "objective/kl": 0.0, "objective/scores": 9.0, "proxy/score": 1.0},
        {"step": 2, "objective/kl": 3.0, "judge/score": 0.2, "proxy/score": 1.5},
        {"step": 3, "objective/kl": 5.0, "proxy/score": 2.0},
        {"step": 4, "objective/kl": 8.0, "judge/score": None, "proxy/score": 2.5},
        {"step": 5, "objective/kl": 9.0, "judge/score": 0.3, "proxy/score": 3.0},
    ]
    seen = history(rows)
    assert seen is not None
    assert seen.steps == (0, 2, 5)
    assert seen.kl == (0.0, 5.0, 9.0)
    assert seen.judge == (0.1, 0.2, 0.3)
    assert seen.proxy == (1.0, 2.0, 3.0)
    assert seen.noise == ()


def test_the_win_rate_stands_in_for_the_score_and_states_its_noise() -> None:
    row = {"judge/win_rate": 0.6, "judge/win_rate_low": 0.5, "judge/win_rate_high": 0.696}
    seen = history([{"step": 1, "objective/scores": 0.4, **row}])
    assert seen is not None and seen.judge_name == "judge/win_rate"
    assert seen.noise == pytest.approx((0.05,))
    assert seen.kl[0] != seen.kl[0]
    assert history([{"step": 1, "objective/scores": 0.4}]) is None
    assert history([{"step": 1, "judge/score": 0.4}]) is None
    assert history([]) is None


def test_final_means_part_only_where_intervals_do_not_touch() -> None:
    low, high = Estimate(0.4, 0.38, 0.42, 9), Estimate(0.6, 0.58, 0.62, 9)
    near = Estimate(0.57, 0.55, 0.59, 9)
    assert parted(high, low, low, high)
    assert not parted(low, high, low, high)
    assert not parted(high, low, high, low)
    assert not parted(high, near, low, high)
    assert not parted(None, low, low, high)
    assert not parted(Estimate(0.6, 0.6, 0.6, 0), Estimate(0.4, 0.4, 0.4, 0), low, high)
