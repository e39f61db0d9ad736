"""Agreement against libraries, hand-worked tables and identities."""

from itertools import combinations

import numpy as np
import pytest
import statsmodels.stats.inter_rater as inter_rater
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from preftune.records import BadInput
from preftune.stats import (
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    gwet_ac2,
    kendall_tau_b,
    kendall_w,
    krippendorff_alpha,
    percent_agreement,
    ratings_from_votes,
)

NO = np.nan
KRIPPENDORFF = np.array(
    [
        [1, 1, NO, 1],
        [2, 2, 3, 2],
        [3, 3, 3, 3],
        [3, 3, 3, 3],
        [2, 2, 2, 2],
        [1, 2, 3, 4],
        [4, 4, 4, 4],
        [1, 1, 2, 1],
        [2, 2, 2, 2],
        [NO, 5, 5, 5],
        [NO, NO, 1, 1],
        [NO, NO, 3, NO],
    ]
)
"""Krippendorff's worked example with missing ratings, used by Gwet (2014) too."""


def test_published_values() -> None:
    """Krippendorff 2011: .743, .815, .849. Gwet 2014: percent .818, AC1 .775, Fleiss' κ .761."""
    assert krippendorff_alpha(KRIPPENDORFF, "nominal") == pytest.approx(0.743421, abs=1e-6)
    assert krippendorff_alpha(KRIPPENDORFF, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(KRIPPENDORFF, "interval") == pytest.approx(0.849107, abs=1e-6)
    assert percent_agreement(KRIPPENDORFF) == pytest.approx(9 / 11)
    assert gwet_ac1(KRIPPENDORFF) == pytest.approx(0.77544, abs=1e-5)
    assert fleiss_kappa(KRIPPENDORFF) == pytest.approx(0.76117, abs=1e-5)


def test_textbook_kappa() -> None:
    """[[40, 20], [10, 30]]: p_o = .7, p_e = .5. Ratings of six items: weighted 1 − 3 / 7."""
    rows = [[0, 0]] * 40 + [[0, 1]] * 20 + [[1, 0]] * 10 + [[1, 1]] * 30
    assert cohen_kappa(rows) == pytest.approx(0.4)
    six = np.array([[1, 1], [2, 3], [3, 3], [3, 2], [2, 2], [1, 2]])
    assert cohen_kappa(six, "quadratic") == pytest.approx(4 / 7)
    assert cohen_kappa(six) == pytest.approx(0.25)


def test_textbook_alpha() -> None:
    """AAA, AAB, BBB, ABB: D_o = 4 / 12, D_e = 2 · 36 / 132, so α = 1 − 11 / 18."""
    table = [[0, 0, 0], [0, 0, 1], [1, 1, 1], [0, 1, 1]]
    assert krippendorff_alpha(table) == pytest.approx(7 / 18)
    assert krippendorff_alpha([*table, [1, NO, NO]]) == pytest.approx(7 / 18)


def test_gwet_by_hand() -> None:
    """Two raters, 118 + 5 + 2 + 0 items: p_o = .944, π = .972; κ is nearly 0, AC1 is not."""
    rows = [[0, 0]] * 118 + [[0, 1]] * 5 + [[1, 0]] * 2
    p, pi = 118 / 125, (123 + 120) / 250
    chance = 2 * pi * (1 - pi)
    assert gwet_ac1(rows) == pytest.approx((p - chance) / (1 - chance))
    assert cohen_kappa(rows) == pytest.approx(-0.0234, abs=5e-4)


def test_gwet_with_partial_credit_by_hand() -> None:
    """Ratings 1, 2, 3; linear weights 1, .5, 0. Items (1,1), (1,2), (3,1), (2,2): p_o = 2.5 / 4.
    π = (4, 3, 1) / 8, Σ π (1 − π) = 38 / 64, T_w = 5."""
    rows = [[1, 1], [1, 2], [3, 1], [2, 2]]
    chance = 5 / 6 * 38 / 64
    assert gwet_ac2(rows, "linear") == pytest.approx((0.625 - chance) / (1 - chance))
    assert gwet_ac2(rows, "identity") == pytest.approx(gwet_ac1(rows))
    more = gwet_ac2(rows, "linear", categories=[1, 2, 3, 4])
    assert more != pytest.approx(gwet_ac2(rows, "linear"))


@pytest.mark.parametrize("seed", range(5))
def test_cohen_is_sklearns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 5, 80)
    b = np.where(rng.random(80) < 0.5, a, rng.integers(0, 5, 80))
    missing = rng.random(80) < 0.2
    table = np.stack([a, np.where(missing, NO, b)], axis=1)
    for ours, theirs in (("identity", None), ("linear", "linear"), ("quadratic", "quadratic")):
        expected = cohen_kappa_score(
            a[~missing], b[~missing], weights=theirs, labels=[0, 1, 2, 3, 4]
        )
        found = cohen_kappa(table, ours, categories=range(5))  # type: ignore[arg-type]
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_fleiss_is_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.choice(4, p=[0.5, 0.3, 0.15, 0.05], size=(60, 6))
    counts = inter_rater.aggregate_raters(table)[0]
    assert fleiss_kappa(table) == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-9)


def brute_alpha(table: np.ndarray, level: str) -> float:
    """α from its definition, pair by pair."""
    units = [row[~np.isnan(row)] for row in table]
    units = [unit for unit in units if unit.size > 1]
    every = np.concatenate(units)

    def far(x: float, y: float) -> float:
        if level == "nominal":
            return float(x != y)
        if level == "interval":
            return (x - y) ** 2
        low, high = min(x, y), max(x, y)
        between = np.sum((every >= low) & (every <= high))
        return float(between - (np.sum(every == x) + np.sum(every == y)) / 2) ** 2

    within = sum(
        2 * sum(far(x, y) for x, y in combinations(unit, 2)) / (unit.size - 1) for unit in units
    )
    apart = 2 * sum(far(x, y) for x, y in combinations(every, 2))
    return 1 - (every.size - 1) * within / apart


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_is_its_definition(level: str) -> None:
    rng = np.random.default_rng(3)
    table = rng.integers(1, 6, size=(25, 5)).astype(float)
    table[rng.random(table.shape) < 0.4] = NO
    assert krippendorff_alpha(table, level) == pytest.approx(  # type: ignore[arg-type]
        brute_alpha(table, level), abs=1e-9
    )


def test_interval_alpha_needs_no_categories() -> None:
    table = np.random.default_rng(0).normal(size=(40, 3))
    assert krippendorff_alpha(table, "interval") == pytest.approx(
        brute_alpha(table, "interval"), abs=1e-9
    )


def test_two_raters_identities() -> None:
    """Two raters, nothing missing, n = 2N: α_nominal = 1 − (1 − Scott's π)(1 − 1/n), and Fleiss'
    κ of two is Scott's π; quadratic κ of equal marginals is the correlation."""
    rng = np.random.default_rng(5)
    table = rng.integers(0, 3, size=(50, 2))
    pi = fleiss_kappa(table)
    assert krippendorff_alpha(table) == pytest.approx(1 - (1 - pi) * (1 - 1 / 100))
    both = np.concatenate([table, table[:, ::-1]])
    assert cohen_kappa(both, "quadratic") == pytest.approx(np.corrcoef(both.T)[0, 1])


COEFFICIENTS = (
    percent_agreement,
    fleiss_kappa,
    gwet_ac1,
    gwet_ac2,
    krippendorff_alpha,
    lambda t: krippendorff_alpha(t, "ordinal"),
    lambda t: krippendorff_alpha(t, "interval"),
)


@pytest.mark.parametrize("place", range(len(COEFFICIENTS)))
@given(seed=st.integers(0, 10**6))
def test_names_and_order_do_not_matter(place: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 4, size=(8, 4)).astype(float)
    table[rng.random(table.shape) < 0.3] = NO
    table[0, :2] = [1, 2]
    whole = COEFFICIENTS[place](table)
    mixed = table[rng.permutation(8)][:, rng.permutation(4)]
    assert COEFFICIENTS[place](mixed) == pytest.approx(whole, abs=1e-9)
    assert COEFFICIENTS[place](4 - table) == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("place", range(1, len(COEFFICIENTS)))
def test_the_ends(place: int) -> None:
    coefficient = COEFFICIENTS[place]
    rng = np.random.default_rng(1)
    one = rng.integers(1, 5, 3000)
    assert coefficient(np.stack([one, one, one], axis=1)) == pytest.approx(1.0)
    assert abs(coefficient(rng.integers(1, 5, size=(3000, 3)))) < 0.03


def test_no_value_where_nothing_could_differ() -> None:
    assert np.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    assert np.isnan(fleiss_kappa([[1, 1], [1, 1]]))
    assert np.isnan(percent_agreement([[1, NO], [NO, 1]]))
    assert np.isnan(cohen_kappa([[1, NO], [NO, 1]]))
    assert np.isnan(krippendorff_alpha([[1.0, NO]], "interval"))


def test_kendall_tau_b_by_counting() -> None:
    a, b = [1, 2, 2, 3, 5], [2, 1, 3, 3, 4]
    signs = [np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]) for i, j in combinations(range(5), 2)]
    assert kendall_tau_b(a, b) == pytest.approx(sum(signs) / np.sqrt((10 - 1) * (10 - 1)))
    assert np.isnan(kendall_tau_b([1, 1], [1, 2]))


def test_kendall_w_by_hand() -> None:
    """One order: W = 1. Rank sums 6, 5, 7 of three raters: S = 2 of 18 at most."""
    assert kendall_w(np.tile([[1], [2], [3], [4]], 3)) == pytest.approx(1.0)
    assert kendall_w([[1, 2, 3], [2, 1, 2], [3, 3, 1]]) == pytest.approx(12 * 2 / (9 * 24))


def test_kendall_w_is_the_mean_rank_correlation() -> None:
    """Mean Spearman over pairs of raters = (m W − 1) / (m − 1), with ties only approximately."""
    rng = np.random.default_rng(2)
    table = np.stack([rng.permutation(7) for _ in range(5)], axis=1)
    pairs = [np.corrcoef(table[:, i], table[:, j])[0, 1] for i, j in combinations(range(5), 2)]
    assert np.mean(pairs) == pytest.approx((5 * kendall_w(table) - 1) / 4)
    tied = np.array([[1, 1, 1], [2, 2, 2], [2, 2, 2], [3, 3, 3]])
    assert kendall_w(tied) == pytest.approx(1.0)


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="compares two raters, not 3"):
        cohen_kappa([[1, 2, 3]])
    with pytest.raises(BadInput, match="every rater's rank"):
        kendall_w([[1, NO], [2, 1]])
    with pytest.raises(BadInput, match="at least two items"):
        kendall_w([[1, 2]])
    with pytest.raises(BadInput, match="equal lengths"):
        kendall_tau_b([1, 2], [1, 2, 3])


def test_sixty_thousand_votes_are_no_array() -> None:
    """Long form: 12,000 items by 4,000 raters as an array would be 384 MB."""
    rng = np.random.default_rng(0)
    votes = (
        (item, rater, int(rng.integers(3)))
        for item in range(2000)
        for rater in rng.choice(4000, 5, replace=False)
    )
    ratings = ratings_from_votes(votes)[0]
    assert abs(krippendorff_alpha(ratings)) < 0.03
