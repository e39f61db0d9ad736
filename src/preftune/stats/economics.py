"""How many labels a wanted precision takes, and how to spend a budget on them."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtrc, comb, ndtri

from preftune.records import BadInput, Estimate
from preftune.stats.bootstrap import bootstrap_totals, percentile_estimate
from preftune.stats.clusters import Clusters, Floats, cluster_codes
from preftune.stats.ratings import Table, ratings_of


def comparisons_for_width(
    half_width: float, *, share: float = 0.5, design_effect: float = 1.0, level: float = 0.95
) -> int:
    """Comparisons until Wilson's interval of a share is ``share`` ± half_width, about its middle.

    Wilson's half width with n comparisons is

        z √(p(1 − p)/n + z²/4n²) / (1 + z²/n)

    solved for n (at p = ½: z²/4h² − z²), times the design effect 1 + (m − 1) ρ of m comparisons a
    prompt. Half ties count as halves, so ties only make it safer. BadInput outside 0 < h < ½.
    """
    if not 0 < half_width < 0.5 or not 0 <= share <= 1 or design_effect < 1 or not 0 < level < 1:
        raise BadInput("A half width is between 0 and .5, a share in [0, 1], a design effect ≥ 1.")
    z = float(ndtri((1 + level) / 2))

    def excess(log_n: float) -> float:
        n = np.exp(log_n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        return float(half - half_width)

    if excess(0.0) <= 0:
        return int(np.ceil(design_effect))
    exact = float(np.exp(brentq(excess, 0.0, 40.0, xtol=1e-12)))
    return int(np.ceil(exact * design_effect - 1e-6))


def comparisons_to_detect(
    share: float,
    *,
    null: float = 0.5,
    power: float = 0.8,
    design_effect: float = 1.0,
    level: float = 0.95,
) -> int:
    """Comparisons with which a two-sided test of ``null`` finds a true win rate of ``share``.

        n = ((z_(1+level)/2 √(p₀ q₀) + z_power √(p q)) / (p − p₀))²

    The normal approximation (Fleiss et al. 2003, §2.4), times the design effect.
    """
    inside = all(0 < number < 1 for number in (share, null, power, level))
    if not inside or share == null or design_effect < 1:
        raise BadInput("Shares, power and level lie between 0 and 1, and the shares differ.")
    z, strength = float(ndtri((1 + level) / 2)), float(ndtri(power))
    root = z * (null * (1 - null)) ** 0.5 + strength * (share * (1 - share)) ** 0.5
    return int(np.ceil((root / (share - null)) ** 2 * design_effect - 1e-6))


def design_effect(per_prompt: float, correlation: float) -> float:
    """1 + (m − 1) ρ: how many comparisons of one prompt are worth one on its own (Kish 1965)."""
    if per_prompt < 1 or not 0 <= correlation <= 1:
        raise BadInput("At least one comparison a prompt, and a correlation between 0 and 1.")
    return 1 + (per_prompt - 1) * correlation


def rater_accuracy(agreement: float) -> float:
    """q = (1 + √(2a − 1)) / 2: how often raters are right who agree on a share a of pairs.

    For two-way votes by equally good raters with independent mistakes; .726 gives .836.
    """
    if not 0.5 <= agreement <= 1:
        raise BadInput(f"An agreement of {agreement:g} is below chance, .5, or above 1.")
    return float((1 + (2 * agreement - 1) ** 0.5) / 2)


def majority_accuracy(accuracy: float, raters: int) -> float:
    """P(the majority of independent raters is right), a drawn vote counting half."""
    if raters < 1 or not 0 <= accuracy <= 1:
        raise BadInput("A majority needs at least one rater and an accuracy in [0, 1].")
    half = raters // 2
    drawn = comb(raters, half) * (accuracy * (1 - accuracy)) ** half if raters % 2 == 0 else 0.0
    return float(bdtrc(half, raters, accuracy) + drawn / 2)


@dataclass(frozen=True, slots=True)
class VarianceParts:
    """Rating = item + noise: how much of the spread is which."""

    between: Estimate
    """Variance of items' true values."""
    within: Estimate
    """Variance between raters of one item."""
    single: Estimate
    """ICC(1), between / (between + within): how reliable one rating is."""

    def reliability(self, raters: int) -> float:
        """Of the mean of so many ratings: k ρ / (1 + (k − 1) ρ) (Spearman–Brown)."""
        rho = self.single.value
        return raters * rho / (1 + (raters - 1) * rho)


def variance_parts(
    table: Table,
    clusters: Clusters | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = 1000,
) -> VarianceParts:
    """One-way random effects by analysis of variance, unequal numbers of ratings allowed.

    within = MSW, between = max(0, (MSB − MSW) / n₀), n₀ = (N − Σ n_i² / N) / (I − 1) (Searle et
    al. 1992, §3.6). Intervals by the bootstrap over clusters of items. Only items with a rating
    count; BadInput when no item has two, or there are fewer than two items.
    """
    ratings = ratings_of(table)
    n = np.bincount(ratings.item, minlength=ratings.items).astype(np.float64)
    if (n > 0).sum() < 2 or not (n > 1).any():
        raise BadInput("Variance parts need two items, and one with two ratings.")
    x = ratings.values - ratings.values.mean()
    first = np.bincount(ratings.item, weights=x, minlength=ratings.items)
    second = np.bincount(ratings.item, weights=x**2, minlength=ratings.items)
    seen = n > 0
    mean_square = np.divide(first**2, n, out=np.zeros_like(n), where=seen)
    columns = np.stack([seen, n, n**2, first, second, mean_square], axis=1).astype(np.float64)
    codes = cluster_codes(clusters, ratings.items)
    sums = np.zeros((int(codes.max()) + 1, columns.shape[1]))
    np.add.at(sums, codes, columns)
    value = _parts(sums.sum(axis=0, keepdims=True))[0]
    drawn = _parts(bootstrap_totals(sums, rng=rng, resamples=resamples))
    count = int((sums[:, 0] > 0).sum())
    made = [percentile_estimate(float(v), d, count) for v, d in zip(value, drawn.T, strict=True)]
    return VarianceParts(*made)


def _parts(totals: Floats) -> Floats:
    """Between, within and ICC from sums over items, (B, 3)."""
    items, n, squares, first, second, means = totals.T
    with np.errstate(invalid="ignore", divide="ignore"):
        within = (second - means) / (n - items)
        spread = (means - first**2 / n) / (items - 1)
        typical = (n - squares / n) / (items - 1)
        between = np.maximum(0, (spread - within) / typical)
        return np.stack([between, within, between / (between + within)], axis=1)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Items and raters an item for a budget."""

    raters: int
    items: int
    cost: float
    half_width: float
    """Of the mean over items, 95 %."""


def allocate(
    parts: VarianceParts, *, budget: float, cost_per_label: float, cost_per_item: float = 0.0
) -> Allocation:
    """More raters or more items: the narrowest interval of the mean that ``budget`` buys.

    I items with k raters have variance (between + within / k) / I and cost I (c + k l); over real
    k the best is √(c · within / (l · between)), so one rater unless an item itself is dear. This is
    for estimating a mean (a win rate, a mean rating); to judge single items, or to find noisy
    raters, take the k that ``reliability`` asks for.
    """
    if budget <= 0 or cost_per_label <= 0 or cost_per_item < 0:
        raise BadInput("A budget and the cost of a label are above 0, that of an item at least 0.")
    options = []
    for raters in range(1, 101):
        items = int(budget / (cost_per_item + raters * cost_per_label) + 1e-9)
        if items < 2:
            break
        variance = (parts.between.value + parts.within.value / raters) / items
        half = float(ndtri(0.975)) * variance**0.5
        cost = items * (cost_per_item + raters * cost_per_label)
        options.append(Allocation(raters, items, cost, half))
    if not options:
        raise BadInput(
            f"{budget:g} does not pay for two items with one label each.",
            remedy=f"It takes {2 * (cost_per_item + cost_per_label):g}.",
        )
    return min(options, key=lambda option: option.half_width)
