"""The long form of a table of ratings."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats.ratings import (
    Ratings,
    categories_of,
    category_counts,
    ratings_from_votes,
    ratings_of,
)


def test_a_table_and_its_long_form() -> None:
    table = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [2.0, 2.0, np.nan]])
    ratings = ratings_of(table)
    assert (ratings.items, ratings.raters) == (3, 3)
    assert ratings.item.tolist() == [0, 0, 2, 2]
    assert ratings.rater.tolist() == [0, 2, 0, 1]
    assert ratings.values.tolist() == [1, 3, 2, 2]
    assert category_counts(ratings, categories_of(ratings)).tolist() == [
        [1, 0, 1],
        [0, 0, 0],
        [0, 2, 0],
    ]


def test_votes_are_numbered_as_they_come() -> None:
    ratings, items, raters = ratings_from_votes([("q", "ann", 1), ("p", "bob", 0), ("q", "bob", 1)])
    assert (items, raters) == (["q", "p"], ["ann", "bob"])
    assert ratings.item.tolist() == [0, 1, 0] and ratings.rater.tolist() == [0, 1, 1]
    only = ratings.of_raters(np.array([False, True]))
    assert only.values.tolist() == [0, 1] and only.items == 2


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="Rater 2 rated item 1 twice"):
        Ratings(np.array([0, 0]), np.array([1, 1]), np.array([1.0, 2.0]), 1, 2)
    with pytest.raises(BadInput, match="finite"):
        ratings_of([[1.0, np.inf]])
    with pytest.raises(BadInput, match="items × raters"):
        ratings_of([1.0, 2.0])
    with pytest.raises(BadInput, match="rating 5 is none of the categories"):
        categories_of(ratings_of([[1.0, 5.0]]), [1, 2, 3])
