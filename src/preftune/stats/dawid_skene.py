"""Who is right how often, and what the truth is, both unknown (Dawid and Skene 1979)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from preftune.records import BadInput
from preftune.stats.clusters import Floats
from preftune.stats.ratings import Ints, Table, categories_of, category_counts, ratings_of


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """A fit. K classes are ``categories`` in order."""

    categories: Floats
    """The rating each class stands for, (K,)."""
    posterior: Floats
    """Soft labels: p(true class of the item | ratings), (items, K); the prevalence without any."""
    confusion: Floats
    """p(rater says l | truth is j), (raters, K, K)."""
    prevalence: Floats
    """p(true class), (K,)."""
    objective: Floats
    """Log posterior density after each EM step of the best start, never falling."""
    converged: bool

    @property
    def labels(self) -> Floats:
        """The most probable rating of each item, (items,)."""
        return self.categories[self.posterior.argmax(axis=1)]

    @property
    def accuracy(self) -> Floats:
        """Each rater's probability of saying the truth, over the prevalence, (raters,)."""
        return np.einsum("rjj,j->r", self.confusion, self.prevalence)


def dawid_skene(
    table: Table,
    *,
    rng: np.random.Generator,
    diagonal: float = 1.0,
    smoothing: float = 0.5,
    restarts: int = 4,
    steps: int = 500,
    tolerance: float = 1e-7,
) -> DawidSkene:
    """Maximum a posteriori confusion matrices, prevalence and soft labels by EM in log space.

        T_i(j) ∝ p_j Π_(r, l said of i) π^r_jl,   p_j ∝ Σ_i T_i(j) + s,
        π^r_jl ∝ Σ_(i where r said l) T_i(j) + s + d [j = l]

    Priors are Dirichlet with pseudo-counts: ``smoothing`` s for every cell, ``diagonal`` d more
    for the truth, which keeps classes from swapping names and draws raters with few ratings
    towards being better than chance. The first start is the majority vote (shares of votes), the
    others shares of votes mixed with random ones; the highest posterior density wins. Stops when a
    step gains less than ``tolerance`` per rating. Identified from about three raters better than
    chance on a connected set of items. Each start costs steps × ratings × K.

    BadInput without two different ratings or with negative pseudo-counts.
    """
    ratings = ratings_of(table)
    names = categories_of(ratings)
    if names.size < 2:
        raise BadInput("Dawid–Skene needs at least two different ratings.")
    if smoothing <= 0 or diagonal < 0 or restarts < 1:
        raise BadInput("Dawid–Skene needs smoothing > 0, diagonal ≥ 0 and at least one start.")
    said = np.searchsorted(names, ratings.values)
    counts = category_counts(ratings, names)
    votes = (counts + 1e-3) / (counts + 1e-3).sum(axis=1, keepdims=True)
    prior = smoothing + diagonal * np.eye(names.size)
    work = _Work(ratings.item, ratings.rater * names.size + said, ratings.raters, prior)
    best: DawidSkene | None = None
    for start in range(restarts):
        noise = rng.dirichlet(np.ones(names.size), size=ratings.items)
        soft = votes if start == 0 else 0.5 * votes + 0.5 * noise
        fit = _fit(work, soft, names, steps, tolerance)
        if best is None or fit.objective[-1] > best.objective[-1]:
            best = fit
    assert best is not None
    return best


@dataclass(frozen=True, slots=True)
class _Work:
    """What every step needs."""

    item: Ints
    cell: Ints
    """rater · K + what was said."""
    raters: int
    prior: Floats


def _fit(work: _Work, soft: Floats, names: Floats, steps: int, tolerance: float) -> DawidSkene:
    objective: list[float] = []
    enough = tolerance * max(1, work.item.size)
    for _ in range(steps):
        prevalence, confusion = _maximise(work, soft)
        soft, height = _expect(work, soft.shape[0], prevalence, confusion)
        objective.append(height)
        if len(objective) > 1 and height - objective[-2] < enough:
            return DawidSkene(names, soft, confusion, prevalence, np.array(objective), True)
    return DawidSkene(names, soft, confusion, prevalence, np.array(objective), False)


def _maximise(work: _Work, soft: Floats) -> tuple[Floats, Floats]:
    k = soft.shape[1]
    share = soft.sum(axis=0) + work.prior.min()
    cells = np.stack(
        [
            np.bincount(work.cell, weights=soft[work.item, j], minlength=work.raters * k)
            for j in range(k)
        ]
    )
    counts = cells.reshape(k, work.raters, k).transpose(1, 0, 2) + work.prior
    return share / share.sum(), counts / counts.sum(axis=2, keepdims=True)


def _expect(work: _Work, items: int, prevalence: Floats, confusion: Floats) -> tuple[Floats, float]:
    """Soft labels, and the log posterior density of the parameters they were made with."""
    k = prevalence.size
    log_confusion, log_prevalence = np.log(confusion), np.log(prevalence)
    said = log_confusion.transpose(0, 2, 1).reshape(-1, k)[work.cell]
    logs = np.stack(
        [np.bincount(work.item, weights=said[:, j], minlength=items) for j in range(k)], axis=1
    )
    logs += log_prevalence
    total = logsumexp(logs, axis=1, keepdims=True)
    prior = work.prior.min() * log_prevalence.sum() + (work.prior * log_confusion).sum()
    return np.exp(logs - total), float(total.sum() + prior)
