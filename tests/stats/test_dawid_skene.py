"""Known confusion matrices come back."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import dawid_skene, ratings_from_votes


def simulated(
    rng: np.random.Generator, items: int, confusion: np.ndarray, prevalence: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """True classes and a full table of ratings; ``confusion`` is (raters, K, K)."""
    truth = rng.choice(len(prevalence), p=prevalence, size=items)
    steps = confusion.cumsum(axis=2)[:, truth]
    said = (rng.random((confusion.shape[0], items, 1)) > steps).sum(axis=2)
    return truth, said.T.astype(float)


def two_classes(*accuracy: float) -> np.ndarray:
    return np.array([[[a, 1 - a], [1 - a, a]] for a in accuracy])


@pytest.mark.parametrize("seed", range(3))
def test_known_confusions_come_back(seed: int) -> None:
    """Within .02 of what the raters did on these very items, which is what a fit can know."""
    rng = np.random.default_rng(seed)
    known = two_classes(0.9, 0.85, 0.8, 0.75, 0.6)
    truth, table = simulated(rng, 4000, known, [0.55, 0.45])
    fit = dawid_skene(table, rng=rng)
    done = np.array([[np.mean(table[truth == j, r] == j) for j in (0, 1)] for r in range(5)])
    assert np.abs(np.einsum("rjj->rj", fit.confusion) - done).max() < 0.02
    assert np.abs(fit.accuracy - [0.9, 0.85, 0.8, 0.75, 0.6]).max() < 0.02
    assert fit.converged and abs(fit.prevalence[0] - 0.55) < 0.02
    majority = (table.mean(axis=1) > 0.5).astype(float)
    assert np.mean(fit.labels == truth) >= np.mean(majority == truth)


def test_three_classes_and_missing_votes() -> None:
    rng = np.random.default_rng(7)
    known = np.array(
        [[[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.02, 0.08, 0.9]]] * 3
        + [[[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7]]] * 3
    )
    truth, table = simulated(rng, 6000, known, [0.4, 0.35, 0.25])
    table[rng.random(table.shape) < 0.3] = np.nan
    fit = dawid_skene(table, rng=rng)
    assert np.abs(fit.confusion - known).mean() < 0.02
    assert np.mean(fit.labels == truth) > 0.93
    sure = fit.posterior.max(axis=1)
    assert np.mean(fit.labels == truth) == pytest.approx(sure.mean(), abs=0.01)


def test_the_objective_never_falls() -> None:
    rng = np.random.default_rng(1)
    _, table = simulated(rng, 300, two_classes(0.8, 0.7, 0.6), [0.5, 0.5])
    for restarts in (1, 5):
        fit = dawid_skene(table, rng=np.random.default_rng(0), restarts=restarts)
        assert (np.diff(fit.objective) > -1e-9).all()


def test_who_is_always_wrong_is_turned_round() -> None:
    rng = np.random.default_rng(2)
    truth, table = simulated(rng, 1000, two_classes(0.85, 0.85, 0.85, 0.1), [0.5, 0.5])
    fit = dawid_skene(table, rng=rng)
    assert fit.accuracy[3] == pytest.approx(0.1, abs=0.03)
    assert np.mean(fit.labels == truth) > np.mean((table[:, :3].sum(axis=1) > 1.5) == truth)


def test_one_step_by_hand() -> None:
    """Everybody agrees: soft labels stay near the votes, and the prior keeps them off 0 and 1."""
    fit = dawid_skene([[0, 0, 0], [1, 1, 1]], rng=np.random.default_rng(0))
    assert fit.labels.tolist() == [0, 1]
    assert fit.prevalence.tolist() == pytest.approx([0.5, 0.5])
    assert 0 < fit.posterior[0, 1] < 0.05
    soft = fit.posterior[0, 0]
    expected = (soft + 1.5) / (1 + 2 * 0.5 + 1)
    assert fit.confusion[0, 0, 0] == pytest.approx(expected, abs=1e-3)


def test_names_do_not_matter_and_seeds_repeat() -> None:
    rng = np.random.default_rng(3)
    _, table = simulated(rng, 200, two_classes(0.9, 0.7, 0.6), [0.5, 0.5])
    one = dawid_skene(table, rng=np.random.default_rng(0))
    same = dawid_skene(table, rng=np.random.default_rng(0))
    assert np.array_equal(one.posterior, same.posterior)
    swapped = dawid_skene(1 - table, rng=np.random.default_rng(0))
    assert swapped.posterior[:, 0] == pytest.approx(one.posterior[:, 1], abs=1e-2)


def test_an_item_without_votes_has_the_prevalence() -> None:
    table = np.array([[0, 0, 0], [1, 1, 1], [0, 0, 1], [np.nan] * 3])
    fit = dawid_skene(table, rng=np.random.default_rng(0))
    assert fit.posterior[3] == pytest.approx(fit.prevalence, abs=1e-2)
    assert fit.posterior.shape == (4, 2)


def test_mistakes_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(BadInput, match="two different ratings"):
        dawid_skene([[1, 1]], rng=rng)
    with pytest.raises(BadInput, match="smoothing > 0"):
        dawid_skene([[1, 0]], rng=rng, smoothing=0)
    with pytest.raises(BadInput, match="twice"):
        dawid_skene(ratings_from_votes([(0, 0, 1), (0, 0, 0)])[0], rng=rng)
