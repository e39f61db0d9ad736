"""A linear reward model on words and counts of style, and its share beside the networks.

The Bradley–Terry likelihood of the comparisons with a squared penalty on the weights, whose size
is chosen by leaving whole prompts (or groups) out. It is convex: no seed, no step size, no early
stop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from preftune.algorithms.reward_batches import Pair
from preftune.models import LinearModel, reading_of

Floats = NDArray[np.float64]

PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)
"""λ of λ/2 · |weights|² against the summed log-likelihood of the comparisons."""
PARTS = 5
"""Parts the groups are dealt into to choose among them."""
USUAL = 10.0
"""λ where one group alone leaves nothing to choose by."""


@dataclass(frozen=True, slots=True)
class LinearFit:
    """The model, its λ, and the mean log loss of each λ on groups left out (None: one group)."""

    model: LinearModel
    penalty: float
    losses: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class _Rows:
    """Comparisons as places in a list of answers."""

    texts: list[str]
    chosen: NDArray[np.int64]
    rejected: NDArray[np.int64]
    targets: Floats
    weights: Floats

    def among(self, kept: NDArray[np.bool_]) -> "_Rows":
        chosen, rejected = self.chosen[kept], self.rejected[kept]
        used, places = np.unique(np.concatenate([chosen, rejected]), return_inverse=True)
        texts = [self.texts[place] for place in used]
        half = len(chosen)
        return _Rows(texts, places[:half], places[half:], self.targets[kept], self.weights[kept])


def fit_linear(
    pairs: Sequence[Pair],
    groups: Sequence[str],
    known: Mapping[str, int],
    penalty: float | None = None,
) -> LinearFit:
    """Fits on all ``pairs``; without a ``penalty``, the one of least loss on groups left out.

    ``known`` are the word counts of a text of reference, by which an answer's words are common or
    not; empty without one.
    """
    rows = _rows(pairs)
    losses = None
    if penalty is None:
        losses = _held_out(rows, groups, known)
        penalty = USUAL if losses is None else PENALTIES[int(np.argmin(losses))]
    reading = reading_of(rows.texts, known)
    return LinearFit(
        LinearModel(reading, _fit(reading(rows.texts), rows, penalty)), penalty, losses
    )


def linear_gaps(model: LinearModel, pairs: Sequence[Pair]) -> Floats:
    """Score of chosen minus score of rejected, in the pairs' order."""
    rows = _rows(pairs)
    scores = model.scores(rows.texts)
    return np.asarray(scores[rows.chosen] - scores[rows.rejected])


def _rows(pairs: Sequence[Pair]) -> _Rows:
    places: dict[str, int] = {}
    sides = [[places.setdefault(text, len(places)) for text in pair.texts] for pair in pairs]
    table = np.array(sides, dtype=np.int64).reshape(-1, 2)
    return _Rows(
        list(places),
        table[:, 0],
        table[:, 1],
        np.array([pair.probability for pair in pairs], dtype=np.float64),
        np.array([pair.weight for pair in pairs], dtype=np.float64),
    )


def _held_out(
    rows: _Rows, groups: Sequence[str], known: Mapping[str, int]
) -> tuple[float, ...] | None:
    """Mean log loss of each λ over parts left out; None for one group."""
    names = {name: place for place, name in enumerate(sorted(set(groups)))}
    if len(names) < 2:
        return None
    parts = np.array([names[name] for name in groups]) % min(PARTS, len(names))
    total = np.zeros(len(PENALTIES))
    for part in np.unique(parts):
        learn, test = rows.among(parts != part), rows.among(parts == part)
        reading = reading_of(learn.texts, known)
        features, others = reading(learn.texts), reading(test.texts)
        weights: Floats | None = None
        for place in reversed(range(len(PENALTIES))):
            weights = _fit(features, learn, PENALTIES[place], weights)
            total[place] += _loss(np.asarray(others @ weights), test)[0]
    return tuple((total / max(float(rows.weights.sum()), 1e-12)).tolist())


def _fit(features: csr_matrix, rows: _Rows, penalty: float, start: Floats | None = None) -> Floats:
    """argmin_w λ/2 |w|² − Σ weight · (p log σ(g) + (1 − p) log σ(−g)) with g = (x_c − x_r) · w."""

    def cost(weights: Floats) -> tuple[float, Floats]:
        loss, slope = _loss(np.asarray(features @ weights), rows)
        value = loss + penalty / 2 * float(weights @ weights)
        return value, np.asarray(features.T @ slope) + penalty * weights

    first = np.zeros(features.shape[1]) if start is None else start
    found = minimize(cost, first, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(found.x, dtype=np.float64)


def _loss(scores: Floats, rows: _Rows) -> tuple[float, Floats]:
    """The summed log loss and its slope in each answer's score."""
    gaps = scores[rows.chosen] - scores[rows.rejected]
    p, weights = rows.targets, rows.weights
    loss = weights * (p * np.logaddexp(0, -gaps) + (1 - p) * np.logaddexp(0, gaps))
    slope = weights * (1 / (1 + np.exp(-gaps)) - p)
    size = len(scores)
    each = np.bincount(rows.chosen, slope, size) - np.bincount(rows.rejected, slope, size)
    return float(loss.sum()), each.astype(np.float64)
