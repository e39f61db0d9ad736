"""Who rated what and how: the long form of a table of items and raters, missing cells left out."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from preftune.records import BadInput
from preftune.stats.clusters import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ratings:
    """One row a rating: ``values[n]`` is what rater ``rater[n]`` said of item ``item[n]``.

    A table of 12,000 items and 3,700 raters with five ratings an item has 60,000 rows here and 46
    million cells as an array. Values are finite numbers (nominal ones are codes). Nobody rates an
    item twice.
    """

    item: Ints
    rater: Ints
    values: Floats
    items: int
    raters: int

    def __post_init__(self) -> None:
        if not self.item.shape == self.rater.shape == self.values.shape or self.item.ndim != 1:
            raise BadInput("Ratings need one item, one rater and one value each.")
        if not bool(np.isfinite(self.values).all()):
            raise BadInput("A rating is a finite number; leave out what is missing.")
        cells = self.item * self.raters + self.rater
        if np.unique(cells).size != cells.size:
            order = np.sort(cells)
            twice = int(order[:-1][order[1:] == order[:-1]][0])
            raise BadInput(
                f"Rater {twice % self.raters + 1} rated item {twice // self.raters + 1} twice.",
                remedy="Keep each rater's last judgment of an item.",
            )

    def of_raters(self, wanted: NDArray[np.bool_]) -> "Ratings":
        """The ratings by raters for whom ``wanted``, shape (raters,), is True; items stay."""
        kept = wanted[self.rater]
        return Ratings(
            self.item[kept], self.rater[kept], self.values[kept], self.items, self.raters
        )


Table = ArrayLike | Ratings
"""An array (items, raters), NaN where a rater did not rate an item, or its long form."""


def ratings_of(table: Table) -> Ratings:
    """The long form; BadInput when an array is not two-dimensional or holds infinities."""
    if isinstance(table, Ratings):
        return table
    array = np.asarray(table, dtype=np.float64)
    if array.ndim != 2:
        raise BadInput(f"A table of ratings is items × raters, not of shape {array.shape}.")
    item, rater = np.nonzero(~np.isnan(array))
    return Ratings(item.astype(np.int64), rater.astype(np.int64), array[item, rater], *array.shape)


def ratings_from_votes(
    votes: Iterable[tuple[Hashable, Hashable, float]],
) -> tuple[Ratings, list[Hashable], list[Hashable]]:
    """Ratings from (item, rater, value) triples, and the names of items and raters by code."""
    items: dict[Hashable, int] = {}
    raters: dict[Hashable, int] = {}
    rows = [
        (items.setdefault(item, len(items)), raters.setdefault(rater, len(raters)), value)
        for item, rater, value in votes
    ]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3)
    ratings = Ratings(
        columns[:, 0].astype(np.int64),
        columns[:, 1].astype(np.int64),
        columns[:, 2],
        len(items),
        len(raters),
    )
    return ratings, list(items), list(raters)


def categories_of(ratings: Ratings, given: Sequence[float] | None = None) -> Floats:
    """The values that can be given, in order: those ``given``, or those seen."""
    seen = np.unique(ratings.values)
    if given is None:
        return seen
    known = np.unique(np.asarray(given, dtype=np.float64))
    strange = seen[~np.isin(seen, known)]
    if strange.size:
        raise BadInput(f"The rating {strange[0]:g} is none of the categories given.")
    return known


def category_counts(ratings: Ratings, categories: Floats) -> Floats:
    """How many raters put an item in a category, shape (items, categories)."""
    place = np.searchsorted(categories, ratings.values)
    cells = ratings.item * categories.size + place
    counts = np.bincount(cells, minlength=ratings.items * categories.size)
    return counts.reshape(ratings.items, categories.size).astype(np.float64)
