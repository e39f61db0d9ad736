"""Picking the best of n samples by a proxy: what it gains, and how far it moves the policy."""

from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from preftune.records import BadInput, Estimate
from preftune.stats import Clusters, mean_estimate

Floats = NDArray[np.float64]


def best_of_n(
    proxy_scores: ArrayLike,
    gold_scores: ArrayLike,
    n: int,
    clusters: Clusters | None = None,
) -> Estimate:
    """Mean gold score of the sample a proxy picks out of n; shapes [prompts, N], N ≥ n.

    Unbiased: for each prompt the mean over all subsets of n of its N samples, in closed form.
    With the samples sorted by proxy, the i-th (from 1) is the best of C(i−1, n−1) of the C(N, n)
    subsets, so the value is Σ_i C(i−1, n−1) / C(N, n) · gold_i (Nakano et al. 2021). Samples of
    equal proxy score are picked with equal chance. Then the mean over prompts, with a t interval
    (clustered, where rows belong together). Give the proxy's scores twice for the proxy's own
    mean; the gold's twice for the best any picker could do.
    """
    proxy, gold = _scores(proxy_scores), _scores(gold_scores)
    if proxy.shape != gold.shape:
        raise BadInput(f"Proxy scores are of shape {proxy.shape}, gold scores of {gold.shape}.")
    samples = proxy.shape[1]
    if not 1 <= n <= samples:
        raise BadInput(
            f"Best of {n} cannot be told from {samples} samples a prompt.",
            remedy=f"Draw at least {n} samples a prompt, or ask for best of {samples}.",
        )
    order = np.argsort(proxy, axis=1, kind="stable")
    sorted_proxy = np.take_along_axis(proxy, order, axis=1)
    fair = _mean_of_equals(sorted_proxy, np.take_along_axis(gold, order, axis=1))
    return mean_estimate(fair @ best_of_n_weights(samples, n), clusters)


def best_of_n_weights(samples: int, n: int) -> Floats:
    """C(i−1, n−1) / C(N, n) for i = 1 ... N: the chance that the i-th lowest of N is picked."""
    weights = np.zeros(samples)
    weights[-1] = n / samples
    for i in range(samples, n, -1):
        weights[i - 2] = weights[i - 1] * (i - n) / (i - 1)
    return weights


def best_of_n_kl(n: int) -> float:
    """KL of the best-of-n policy from the sampled one in nats: log n − (n − 1)/n.

    Exact where no two completions share a score, an upper bound otherwise (Beirami et al. 2024).
    """
    if n < 1:
        raise BadInput(f"Best of {n} is not a policy; n is at least 1.")
    return log(n) - (n - 1) / n


def doublings(n: int) -> list[int]:
    """1, 2, 4 … and n itself: where a best-of-n curve is read."""
    return sorted({2**k for k in range(n.bit_length()) if 2**k <= n} | {n})


def best_of_n_policy(chances: ArrayLike, scores: ArrayLike, n: int) -> Floats:
    """P(the best of n is k) for a policy over finitely many completions, exactly.

    With F(s) the chance of a score of at most s, the best of n has a score of s with chance
    F(s)^n − F(s−)^n (order statistics); completions of equal score share it as the policy has
    them, since which of them is picked is left to chance.
    """
    policy, order = _policy(chances, n), np.asarray(scores, dtype=np.float64)
    _, levels = np.unique(order, return_inverse=True)
    mass = np.bincount(levels, weights=policy)
    above = np.minimum(np.cumsum(mass), 1.0)
    below = np.concatenate([[0.0], above[:-1]])
    level_chances = above**n - below**n
    share = np.divide(policy, mass[levels], out=np.zeros_like(policy), where=policy > 0)
    best: Floats = level_chances[levels] * share
    return best


def best_of_n_policy_kl(chances: ArrayLike, scores: ArrayLike, n: int) -> float:
    """KL of that best-of-n policy from ``chances`` in nats, exactly: at most the bound above."""
    policy, best = _policy(chances, n), best_of_n_policy(chances, scores, n)
    seen = best > 0
    return float(np.sum(best[seen] * np.log(best[seen] / policy[seen])))


def _policy(chances: ArrayLike, n: int) -> Floats:
    policy = np.asarray(chances, dtype=np.float64)
    if n < 1:
        raise BadInput(f"Best of {n} is not a policy; n is at least 1.")
    if policy.ndim != 1 or bool((policy < 0).any()) or abs(float(policy.sum()) - 1) > 1e-9:
        raise BadInput("A policy is a list of chances that add up to 1.")
    return policy


def _scores(scores: ArrayLike) -> Floats:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise BadInput(f"Scores are a table of prompts by samples, not of shape {array.shape}.")
    if not bool(np.isfinite(array).all()):
        raise BadInput("Best of n needs a finite score for every sample.")
    return array


def _mean_of_equals(proxy: Floats, gold: Floats) -> Floats:
    """``gold`` with each run of equal ``proxy`` (sorted along the rows) replaced by its mean."""
    starts = np.ones(proxy.shape, dtype=bool)
    starts[:, 1:] = proxy[:, 1:] != proxy[:, :-1]
    runs = np.cumsum(starts.ravel()) - 1
    means = np.bincount(runs, weights=gold.ravel()) / np.bincount(runs)
    fair: Floats = means[runs].reshape(proxy.shape)
    return fair
