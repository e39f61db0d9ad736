"""How far raters agree beyond chance: percent, κ, α, Gwet's AC, Kendall.

Every function takes a table (items, raters) with NaN where a rating is missing, or ``Ratings``.
A coefficient without a value (nobody rated an item twice, or all ratings are the same, so that no
disagreement was possible) is NaN.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from preftune.records import BadInput
from preftune.stats.clusters import Floats, column
from preftune.stats.coincidences import Coincidences, within_pool
from preftune.stats.intervals import ranks
from preftune.stats.ratings import Table, categories_of, category_counts, ratings_of

Level = Literal["nominal", "ordinal", "interval"]
Weights = Literal["identity", "linear", "quadratic"]


def percent_agreement(table: Table) -> float:
    """The share of agreeing pairs of raters on an item, mean over items rated at least twice."""
    sums, categories = _sums(table, None)
    return float(observed(sums, agreement_weights(categories, "identity"))[0])


def cohen_kappa(
    table: Table, weights: Weights = "identity", *, categories: Sequence[float] | None = None
) -> float:
    """κ of two raters on the items both rated (Cohen 1960; weighted 1968).

        κ = (p_o − p_e) / (1 − p_e),  p_o = Σ w_kl p_kl,  p_e = Σ w_kl p_k. p_.l

    w is 1 on the diagonal and 0, 1 − |x_k − x_l| / range or 1 − (x_k − x_l)² / range² off it, with
    the ratings' own values x. BadInput unless there are two raters.
    """
    ratings = ratings_of(table)
    if ratings.raters != 2:
        raise BadInput(
            f"Cohen's κ compares two raters, not {ratings.raters}.",
            remedy="Use Fleiss' κ or Krippendorff's α for more.",
        )
    names = categories_of(ratings, categories)
    sides = []
    for rater in (0, 1):
        own = ratings.rater == rater
        side = np.full(ratings.items, -1, dtype=np.int64)
        side[ratings.item[own]] = np.searchsorted(names, ratings.values[own])
        sides.append(side)
    both = (sides[0] >= 0) & (sides[1] >= 0)
    cells = sides[0][both] * names.size + sides[1][both]
    joint = np.bincount(cells, minlength=names.size**2).reshape(names.size, names.size)
    if not joint.any():
        return float("nan")
    p = joint / joint.sum()
    w = agreement_weights(names, weights)
    return _beyond(float((w * p).sum()), float(p.sum(axis=1) @ w @ p.sum(axis=0)))


def fleiss_kappa(
    table: Table, weights: Weights = "identity", *, categories: Sequence[float] | None = None
) -> float:
    """κ of any number of raters, who need not be the same for every item (Fleiss 1971).

    p_e = Σ w_kl π_k π_l with π_k the mean share of category k over rated items; weighted and with
    missing ratings as in Gwet 2014, §2.
    """
    sums, names = _sums(table, categories)
    return float(kappa(sums, agreement_weights(names, weights))[0])


def gwet_ac1(table: Table, *, categories: Sequence[float] | None = None) -> float:
    """Gwet's first coefficient (2008): p_e = Σ π_k (1 − π_k) / (q − 1) for q categories.

    It does not collapse when nearly all ratings fall into one category, where κ and α do. ``q``
    counts ``categories``, or those seen.
    """
    return gwet_ac2(table, "identity", categories=categories)


def gwet_ac2(
    table: Table, weights: Weights = "quadratic", *, categories: Sequence[float] | None = None
) -> float:
    """AC1 with partial credit for near ratings (Gwet 2014): p_e = T_w Σ π_k (1 − π_k) / q(q − 1),
    T_w = Σ w_kl."""
    sums, names = _sums(table, categories)
    return float(gwet(sums, agreement_weights(names, weights))[0])


def krippendorff_alpha(table: Table, level: Level = "nominal") -> float:
    """α = 1 − D_o / D_e with any number of raters and missing ratings (Krippendorff 2019, §12).

    D_o is the mean squared difference δ² within items, D_e that of any two ratings put together.
    δ² is 1 for different values (nominal), (x − y)² (interval), or the squared number of ratings
    between them, (Σ_{g=k}^{l} n_g − (n_k + n_l)/2)² (ordinal). Items with one rating say nothing.
    """
    ratings = ratings_of(table)
    if level == "interval":
        return _interval_alpha(ratings.item, ratings.values, ratings.items)
    sums, names = _sums(ratings, None)
    return float(alpha(sums, names, level)[0])


def kendall_tau_b(first: ArrayLike, second: ArrayLike) -> float:
    """(concordant − discordant) / √((n₀ − ties in first)(n₀ − ties in second)), n₀ = n(n−1)/2.

    NaN when either is constant. Kendall 1945.
    """
    a, b = column(first, "first ranking"), column(second, "second ranking")
    if a.size != b.size:
        raise BadInput(f"Two rankings need equal lengths: {a.size} and {b.size}.")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    both, in_a, in_b = 0.0, 0.0, 0.0
    for x, y in zip(a, b, strict=True):
        one, two = np.sign(a - x), np.sign(b - y)
        both += float(one @ two)
        in_a += float(one @ one)
        in_b += float(two @ two)
    return both / (in_a * in_b) ** 0.5


def kendall_w(table: ArrayLike) -> float:
    """Concordance of m raters who all ranked (or rated) the same n items; 1 is one order.

        W = 12 S / (m² (n³ − n) − m Σ_j Σ_ties (t³ − t))

    S is the squared deviation of the items' rank sums from their mean (Kendall and Smith 1939,
    with the correction for ties). BadInput when a cell is missing.
    """
    array = np.asarray(table, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 2:
        raise BadInput("Kendall's W needs at least two items and two raters.")
    if not bool(np.isfinite(array).all()):
        raise BadInput("Kendall's W needs every rater's rank of every item.")
    n, m = array.shape
    by_rater = np.stack([ranks(own) for own in array.T], axis=1)
    sums = by_rater.sum(axis=1)
    spread = float(((sums - sums.mean()) ** 2).sum())
    ties = sum(float((t**3 - t).sum()) for t in (_repeats(own) for own in array.T))
    most = m**2 * (n**3 - n) - m * ties
    return 12 * spread / most if most > 0 else float("nan")


def agreement_weights(categories: Floats, weights: Weights) -> Floats:
    """w_kl in [0, 1]: how far two ratings agree, shape (K, K)."""
    if weights == "identity" or categories.size < 2:
        return np.eye(categories.size)
    gap = np.abs(categories[:, None] - categories[None, :]) / float(np.ptp(categories))
    return 1 - (gap if weights == "linear" else gap**2)


def observed(sums: Coincidences, weights: Floats) -> Floats:
    """Weighted share of agreement, one a group of items, (G,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.einsum("gkl,kl->g", sums.agreement, weights) / sums.pairable)


def kappa(sums: Coincidences, weights: Floats) -> Floats:
    """Fleiss' κ of one pool; between two pools chance comes from each one's own shares, (G,)."""
    first, second = _shares(sums)
    expected = np.einsum("gk,kl,gl->g", first, weights, second)
    return _corrected(observed(sums, weights), expected)


def gwet(sums: Coincidences, weights: Floats) -> Floats:
    """Gwet's AC, (G,)."""
    first, second = _shares(sums)
    share, q = (first + second) / 2, weights.shape[0]
    if q < 2:
        return np.full(sums.pairable.shape, np.nan)
    chance = (share * (1 - share)).sum(axis=1) * weights.sum() / (q * (q - 1))
    return _corrected(observed(sums, weights), chance)


def alpha(sums: Coincidences, categories: Floats, level: Level) -> Floats:
    """Krippendorff's α from coincidences, (G,)."""
    together = sums.coincidences
    n_k = together.sum(axis=2)
    total = n_k.sum(axis=1)
    if level == "ordinal":
        before = np.cumsum(n_k, axis=1) - n_k / 2
        distance = (before[:, :, None] - before[:, None, :]) ** 2
    elif level == "interval":
        distance = np.broadcast_to((categories[:, None] - categories[None, :]) ** 2, together.shape)
    else:
        distance = np.broadcast_to(1 - np.eye(categories.size), together.shape)
    within = (together * distance).sum(axis=(1, 2))
    apart = np.einsum("gk,gkl,gl->g", n_k, distance, n_k)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(apart > 0, 1 - (total - 1) * within / apart, np.nan)


def _interval_alpha(item: np.ndarray, x: Floats, items: int) -> float:
    """The same for (x − y)² from sums of powers: no list of categories is needed."""
    n = np.bincount(item, minlength=items)
    kept = n[item] > 1
    item, x = item[kept], x[kept]
    if x.size == 0:
        return float("nan")
    x = x - x.mean()
    first = np.bincount(item, weights=x, minlength=items)
    second = np.bincount(item, weights=x**2, minlength=items)
    several = n > 1
    within = ((n * second - first**2)[several] / (n[several] - 1)).sum()
    apart = x.size * (x**2).sum() - x.sum() ** 2
    return float(1 - (x.size - 1) * within / apart) if apart > 0 else float("nan")


def _sums(table: Table, categories: Sequence[float] | None) -> tuple[Coincidences, Floats]:
    ratings = ratings_of(table)
    names = categories_of(ratings, categories)
    return within_pool(category_counts(ratings, names)), names


def _shares(sums: Coincidences) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums.first / sums.rated[:, :1], sums.second / sums.rated[:, 1:]


def _corrected(seen: Floats, chance: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(chance < 1 - 1e-12, (seen - chance) / (1 - chance), np.nan)


def _beyond(seen: float, chance: float) -> float:
    return (seen - chance) / (1 - chance) if chance < 1 - 1e-12 else float("nan")


def _repeats(values: Floats) -> Floats:
    return np.unique(values, return_counts=True)[1].astype(np.float64)
