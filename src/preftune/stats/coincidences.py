"""Sums over items from which every coefficient of agreement follows.

All are linear in the items, so a bootstrap only has to add them up with other weights.
"""

from dataclasses import dataclass

import numpy as np

from preftune.stats.clusters import Floats
from preftune.stats.ratings import Ints


@dataclass(frozen=True, slots=True)
class Coincidences:
    """Sums over items, for each of G groups of items; K categories.

    Either all pairs of different raters of one pool, or all pairs of one rater of a first and one
    of a second pool.
    """

    agreement: Floats
    """Mean over an item's pairs of [first said k, second said l], summed over items, (G, K, K)."""
    pairable: Floats
    """How many items have a pair, (G,)."""
    first: Floats
    """Share of an item's ratings in category k, summed over items, (G, K)."""
    second: Floats
    """The same for the second pool; of one pool the same numbers as ``first``."""
    rated: Floats
    """How many items ``first`` and ``second`` were summed over, (G, 2)."""
    coincidences: Floats
    """``agreement`` times the item's number of ratings (Krippendorff 2019), (G, K, K)."""

    def flat(self) -> Floats:
        """All sums side by side, (G, F)."""
        groups = self.pairable.shape[0]
        parts = (self.agreement, self.pairable, self.first, self.second, self.rated)
        return np.concatenate(
            [part.reshape(groups, -1) for part in (*parts, self.coincidences)], axis=1
        )

    @staticmethod
    def from_flat(flat: Floats, categories: int) -> "Coincidences":
        """The inverse of ``flat``: also of weighted sums of its rows."""
        k = categories
        sizes = np.cumsum([k * k, 1, k, k, 2])
        agreement, pairable, first, second, rated, coincidences = np.split(flat, sizes, axis=1)
        return Coincidences(
            agreement.reshape(-1, k, k),
            pairable[:, 0],
            first,
            second,
            rated,
            coincidences.reshape(-1, k, k),
        )


def within_pool(counts: Floats, groups: Ints | None = None) -> Coincidences:
    """Pairs of different raters; ``counts`` is (items, K), ``groups`` the group of each item."""
    total = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :]
    diagonal = np.arange(counts.shape[1])
    pairs[:, diagonal, diagonal] -= counts
    several = total > 1
    mean = np.where(several, 1 / np.maximum(total * (total - 1), 1), 0.0)[:, None, None] * pairs
    share = counts / np.maximum(total, 1)[:, None]
    rated = np.repeat((total > 0).astype(np.float64)[:, None], 2, axis=1)
    each = Coincidences(
        mean, several.astype(np.float64), share, share, rated, mean * total[:, None, None]
    )
    return _grouped(each, groups)


def between_pools(first: Floats, second: Floats, groups: Ints | None = None) -> Coincidences:
    """Pairs of one rater of each pool; both are (items, K).

    ``agreement`` is not symmetric: rows are the first pool. ``coincidences`` counts each pair in
    both orders with half the weight, as within a pool.
    """
    one, two = first.sum(axis=1), second.sum(axis=1)
    both = (one > 0) & (two > 0)
    weight = np.where(both, 1 / np.maximum(one * two, 1), 0.0)[:, None, None]
    mean = weight * first[:, :, None] * second[:, None, :]
    each = Coincidences(
        mean,
        both.astype(np.float64),
        first / np.maximum(one, 1)[:, None],
        second / np.maximum(two, 1)[:, None],
        np.stack([one > 0, two > 0], axis=1).astype(np.float64),
        (mean + mean.transpose(0, 2, 1)) / 2 * (one + two)[:, None, None],
    )
    return _grouped(each, groups)


def _grouped(each: Coincidences, groups: Ints | None) -> Coincidences:
    flat, k = each.flat(), each.first.shape[1]
    codes = np.zeros(flat.shape[0], dtype=np.int64) if groups is None else groups
    sums = np.zeros((int(codes.max(initial=0)) + 1, flat.shape[1]))
    np.add.at(sums, codes, flat)
    return Coincidences.from_flat(sums, k)
