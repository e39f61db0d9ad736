"""Whether a score likes a trait more than the labels do: a logistic regression of the labels."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, stdtrit

from preftune.records import BadInput, Estimate, RunFailed
from preftune.stats.clusters import Clusters, Floats, cluster_codes, column

STEPS = 100
RIDGE = 1e-3
"""Weight of a small L2 penalty on standardised coefficients: finite where all labels agree."""


def tilt(
    shares: ArrayLike,
    score_gaps: ArrayLike,
    trait_gaps: ArrayLike,
    clusters: Clusters | None = None,
) -> Estimate | None:
    """β of p(first preferred) = σ(α Δscore + β Δtrait), per usual difference in the trait.

    That is the root mean square of Δtrait over the pairs that differ in it, so a trait's rarity
    makes its β uncertain and not small.

    ``shares`` are the labels' share for the first of two answers, [0, 1]; the gaps are first minus
    second. β < 0: at equal score the labels prefer the answer with less of the trait, so the score
    pays more for it than people do. A score that is only noisy leaves what it missed to the trait,
    so β has the sign of the trait's true worth; one that follows the labels leaves nothing. No
    intercept: which answer is first means nothing. Cluster-robust t interval.

    None where the trait never differs, or fewer than two clusters are there.
    """
    y, score, trait = column(shares), column(score_gaps), column(trait_gaps)
    if not y.size == score.size == trait.size:
        raise BadInput(f"There are {y.size} labels, {score.size} scores and {trait.size} traits.")
    codes = cluster_codes(clusters, y.size)
    count = int(codes.max()) + 1
    differ = trait[trait != 0]
    if not differ.size or count < 2:
        return None
    spread = float(np.sqrt(np.mean(differ**2)))
    scale = float(np.sqrt(np.mean(score**2))) or 1.0
    design = np.column_stack([score / scale, trait / spread])
    weights = _fit(design, y)
    predicted = expit(design @ weights)
    pulls = (y - predicted)[:, None] * design
    sums = np.stack([np.bincount(codes, weights=pull) for pull in pulls.T], axis=1)
    inverse = np.linalg.inv(_information(design, predicted))
    covariance = inverse @ (count / (count - 1) * sums.T @ sums) @ inverse
    half = float(stdtrit(count - 1, 0.975)) * float(np.sqrt(covariance[1, 1]))
    beta = float(weights[1])
    return Estimate(beta, beta - half, beta + half, count)


def _information(design: Floats, predicted: Floats) -> Floats:
    variance = predicted * (1 - predicted)
    found: Floats = design.T @ (variance[:, None] * design) + RIDGE * np.eye(design.shape[1])
    return found


def _fit(design: Floats, y: Floats) -> Floats:
    """Newton's steps, none longer than 2 in any coefficient."""
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        predicted = expit(design @ weights)
        gradient = design.T @ (y - predicted) - RIDGE * weights
        step = np.linalg.solve(_information(design, predicted), gradient)
        weights = weights + step / max(1.0, float(np.abs(step).max()) / 2)
        if float(np.abs(step).max()) < 1e-9:
            return weights
    raise RunFailed("The regression of labels on a score and a trait did not converge.")
