"""Best of n against counting every subset, order statistics and exact KL."""

from itertools import combinations, product
from math import comb, log

import numpy as np
import pytest

from preftune.evaluation import (
    best_of_n,
    best_of_n_kl,
    best_of_n_policy,
    best_of_n_policy_kl,
    best_of_n_weights,
)
from preftune.records import BadInput
from preftune.stats import mean_estimate


def _by_enumeration(proxy: np.ndarray, gold: np.ndarray, n: int) -> float:
    """The mean over all subsets; among equal best proxy scores each is as likely."""
    picked = []
    for subset in combinations(range(proxy.size), n):
        best = max(proxy[place] for place in subset)
        picked.append(np.mean([gold[place] for place in subset if proxy[place] == best]))
    return float(np.mean(picked))


def test_by_hand() -> None:
    scores = [[1, 2, 3, 4, 5, 6]]
    assert best_of_n(scores, scores, 3).value == pytest.approx(5.25)
    assert best_of_n(scores, scores, 1).value == pytest.approx(3.5)
    assert best_of_n(scores, scores, 6).value == 6.0


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
def test_is_the_mean_over_all_subsets(n: int) -> None:
    rng = np.random.default_rng(n)
    proxy, gold = rng.integers(0, 4, size=(5, 7)).astype(float), rng.normal(size=(5, 7))
    each = [_by_enumeration(proxy[row], gold[row], n) for row in range(5)]
    assert best_of_n(proxy, gold, n) == pytest.approx(mean_estimate(each))


def test_picks_by_proxy_and_reports_gold() -> None:
    proxy, gold = np.array([[1.0, 2.0, 3.0]]), np.array([[9.0, 5.0, 1.0]])
    assert best_of_n(proxy, gold, 3).value == 1.0
    assert best_of_n(gold, proxy, 3).value == 1.0
    assert best_of_n(gold, gold, 3).value == 9.0


def test_the_order_of_samples_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    proxy, gold = np.round(rng.normal(size=(4, 9)), 1), rng.normal(size=(4, 9))
    shuffled = rng.permutation(9)
    assert best_of_n(proxy[:, shuffled], gold[:, shuffled], 4) == pytest.approx(
        best_of_n(proxy, gold, 4)
    )


def test_weights_are_binomial_and_stable() -> None:
    weights = best_of_n_weights(12, 5)
    assert weights == pytest.approx([comb(i - 1, 4) / comb(12, 5) for i in range(1, 13)])
    big = best_of_n_weights(12600, 6400)
    assert big.sum() == pytest.approx(1.0) and bool(np.isfinite(big).all())


@pytest.mark.parametrize(
    ("n", "expected"), [(2, 0.56419), (4, 1.02938), (16, 1.76599), (64, 2.34373)]
)
def test_normal_scores_reach_the_expected_maximum(n: int, expected: float) -> None:
    scores = np.random.default_rng(n).normal(size=(400, 256))
    value, low, high, count = best_of_n(scores, scores, n)
    assert count == 400
    assert value == pytest.approx(expected, abs=0.03)
    # A proxy correlated .6 with gold keeps .6 of the gain.
    noisy = 0.6 * scores + 0.8 * np.random.default_rng(n + 1).normal(size=scores.shape)
    assert best_of_n(noisy, scores, n).value == pytest.approx(0.6 * expected, abs=0.04)


def test_a_proxy_of_noise_gains_nothing() -> None:
    rng = np.random.default_rng(5)
    found = best_of_n(rng.normal(size=(300, 32)), rng.normal(size=(300, 32)), 16)
    assert found.low < 0 < found.high


FOUR = np.array([0.4, 0.3, 0.2, 0.1])
RISING = np.array([0.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("n", "exact", "bound"),
    [(2, 0.157199, 0.193147), (8, 1.124108, 1.204442), (64, 2.292639, 3.174508)],
)
def test_kl_is_an_upper_bound_on_discrete_policies(n: int, exact: float, bound: float) -> None:
    assert best_of_n_policy_kl(FOUR, RISING, n) == pytest.approx(exact, abs=1e-6)
    assert best_of_n_kl(n) == pytest.approx(bound, abs=1e-6)
    # With ever finer chances the policy becomes continuous and the bound exact.
    fine = best_of_n_policy_kl(np.full(2000, 1 / 2000), np.arange(2000), n)
    assert fine == pytest.approx(bound, abs=0.02)


def test_kl_ends_where_only_the_best_is_left() -> None:
    """log 10: the best completion has chance 1/10."""
    assert best_of_n_policy_kl(FOUR, RISING, 10_000) == pytest.approx(log(10), abs=1e-9)


def test_the_policy_is_the_maximum_s_distribution() -> None:
    """F = .4, .7, .9, 1, so best of 2 has .16, .49 − .16, .81 − .49, 1 − .81."""
    assert best_of_n_policy(FOUR, RISING, 2) == pytest.approx([0.16, 0.33, 0.32, 0.19])
    shuffled = [2, 0, 3, 1]
    assert best_of_n_policy(FOUR[shuffled], RISING[shuffled], 2) == pytest.approx(
        [0.32, 0.16, 0.19, 0.33]
    )
    assert best_of_n_policy(FOUR, RISING, 1) == pytest.approx(FOUR)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_equal_scores_share_as_the_policy_has_them(n: int) -> None:
    """Against all n-tuples, a tie going to each of the tied draws with equal chance."""
    scores, expected = np.array([1.0, 0.0, 1.0, 0.0]), np.zeros(4)
    for drawn in product(range(4), repeat=n):
        top = [k for k in drawn if scores[k] == max(scores[k] for k in drawn)]
        for k in top:
            expected[k] += np.prod(FOUR[list(drawn)]) / len(top)
    assert best_of_n_policy(FOUR, scores, n) == pytest.approx(expected)


def test_completions_without_chance_stay_without() -> None:
    best = best_of_n_policy([0.5, 0.0, 0.5], [0.0, 1.0, 2.0], 4)
    assert best == pytest.approx([1 / 16, 0.0, 15 / 16])
    assert best_of_n_policy_kl([0.5, 0.0, 0.5], [0.0, 1.0, 2.0], 1) == 0.0


@pytest.mark.parametrize("n", [1, 4, 16])
def test_uniform_scores_reach_n_over_n_plus_one(n: int) -> None:
    scores = np.random.default_rng(n).random(size=(400, 128))
    assert best_of_n(scores, scores, n).value == pytest.approx(n / (n + 1), abs=0.01)


def test_kl_of_one_is_nothing() -> None:
    assert best_of_n_kl(1) == 0.0
    assert best_of_n_kl(4) == pytest.approx(log(4) - 0.75)
    with pytest.raises(BadInput):
        best_of_n_kl(0)


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="Best of 4 cannot be told from 3 samples"):
        best_of_n([[1, 2, 3]], [[1, 2, 3]], 4)
    with pytest.raises(BadInput, match="shape"):
        best_of_n([[1, 2, 3]], [[1, 2]], 1)
    with pytest.raises(BadInput, match="prompts by samples"):
        best_of_n([1, 2, 3], [1, 2, 3], 1)
    with pytest.raises(BadInput, match="add up to 1"):
        best_of_n_policy([0.5, 0.4], [0, 1], 2)
    with pytest.raises(BadInput, match="Best of 0 is not a policy"):
        best_of_n_policy([1.0], [0], 0)
    with pytest.raises(BadInput, match="finite"):
        best_of_n([[1, float("nan")]], [[1, 2]], 1)


def noisy(noise: np.ndarray, gold: np.ndarray, ns: tuple[int, ...]) -> list[float]:
    """Gold of the best of n by gold + noise."""
    return [best_of_n((gold + noise).tolist(), gold.tolist(), n).value for n in ns]


def test_gold_rises_by_its_correlation_with_a_noisy_proxy() -> None:
    """Gold and noise N(0, 1): correlation 1/√2, so 1.02938/√2 = .727882 at 4, 1.76599/√2 at 16."""
    rng = np.random.default_rng(0)
    gold, noise = rng.normal(size=(2, 3000, 16))
    assert noisy(noise, gold, (1, 4, 16)) == pytest.approx([0, 0.727882, 1.248743], abs=0.03)


def test_heavy_tailed_noise_takes_the_gain_back() -> None:
    """Cauchy noise: the best of many by the proxy is the luckiest, not the best."""
    rng = np.random.default_rng(1)
    gold, noise = rng.normal(size=(800, 512)), rng.standard_cauchy(size=(800, 512))
    few, some, many = noisy(noise, gold, (2, 8, 512))
    assert few > 0.15 and some > 0.15 and many < 0.5 * max(few, some)


def test_a_few_answers_that_only_please_the_proxy_turn_the_gain_around() -> None:
    """One in fifty has gold −3 and proxy + 6: rising at first, then falling below the start."""
    rng = np.random.default_rng(2)
    gold = rng.normal(size=(800, 256))
    proxy = gold + 0.5 * rng.normal(size=(800, 256))
    hacked = rng.random((800, 256)) < 0.02
    gold, proxy = np.where(hacked, -3.0, gold), np.where(hacked, 6.0, proxy)
    start, early, late = (best_of_n(proxy.tolist(), gold.tolist(), n).value for n in (1, 4, 256))
    assert early > start + 0.5
    assert late < start and late == pytest.approx(-3, abs=0.1)
