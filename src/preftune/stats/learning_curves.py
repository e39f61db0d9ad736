"""Accuracy against the number of labels, and what more labels would buy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from preftune.records import BadInput, Estimate
from preftune.stats.clusters import Floats, column

EXPONENTS = np.geomspace(0.02, 2.0, 120)
"""Exponents tried: from hardly falling to a curve that is flat after a few labels."""


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """accuracy(n) = c − a n^(−b), with draws of (c, a, b) that say how sure the fit is."""

    ceiling: float
    amplitude: float
    exponent: float
    draws: Floats
    """(B, 3): c, a, b refitted to resampled accuracies."""
    points: int
    residual: float
    """Root mean square of (accuracy − curve) / standard error; far above 1 is no power law."""

    def at(self, labels: float) -> Estimate:
        """Accuracy with so many labels; the further beyond the data, the more it is a guess."""
        return self._estimate(lambda c, a, b: c - a * labels**-b)

    def gain(self, have: float, more: float = 1000) -> Estimate:
        """What ``more`` labels add to ``have``: a (have^(−b) − (have + more)^(−b))."""
        return self._estimate(lambda c, a, b: a * (have**-b - (have + more) ** -b))

    def labels_for(self, accuracy: float) -> Estimate | None:
        """How many labels reach an accuracy; None when the fitted ceiling is below it.

        The upper end is infinite when 2.5 % of the draws never reach it.
        """

        def needed(c: Floats, a: Floats, b: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                return np.where(c > accuracy, (a / (c - accuracy)) ** (1 / b), np.inf)

        found = self._estimate(needed)
        return found if np.isfinite(found.value) else None

    def _estimate(self, function) -> Estimate:  # type: ignore[no-untyped-def]
        value = function(*(np.array([v]) for v in (self.ceiling, self.amplitude, self.exponent)))
        many = np.broadcast_to(function(*self.draws.T), self.draws.shape[:1])
        low = float(np.quantile(many, 0.025, method="lower"))
        high = float(np.quantile(many, 0.975, method="higher"))
        middle = float(np.broadcast_to(value, (1,))[0])
        return Estimate(middle, min(low, middle), max(high, middle), self.points)


def fit_learning_curve(
    labels: ArrayLike,
    accuracies: Sequence[Estimate],
    *,
    rng: np.random.Generator,
    most: float = 1.0,
    draws: int = 1000,
) -> LearningCurve:
    """Weighted least squares of accuracy = c − a n^(−b), a ≥ 0, c ≤ ``most``, .02 ≤ b ≤ 2.

    The power law of learning curves (Cortes et al. 1993; Hestness et al. 2017). Weights are the
    intervals' own standard errors; uncertainty is the parametric bootstrap: accuracies drawn anew
    around the curve and refitted, so the interval of an extrapolation widens as it should. For a
    fixed b the problem is linear; b is searched over ``EXPONENTS``. ``most`` is the noise ceiling
    where it is known. Points measured on one test set share its error: pass seeds' or paired
    estimates if the shape matters more than the height. BadInput for fewer than four different
    numbers of labels.
    """
    n = column(labels, "numbers of labels")
    y = column([one.value for one in accuracies], "accuracies")
    if n.size != y.size:
        raise BadInput(f"There are {n.size} numbers of labels but {y.size} accuracies.")
    if np.unique(n).size < 4 or float(n.min()) < 1:
        raise BadInput(
            "A learning curve needs at least four different numbers of labels, each at least 1.",
            remedy="Train on, say, an eighth, a quarter, a half and all of them.",
        )
    errors = np.array([(one.high - one.low) / (2 * float(ndtri(0.975))) for one in accuracies])
    if not bool((np.isfinite(errors) & (errors > 0)).all()):
        raise BadInput("Every accuracy needs an interval wider than nothing.")
    best = _fits(n, y[None], errors, most)[0]
    curve = best[0] - best[1] * n ** -best[2]
    resampled = curve + errors * rng.normal(size=(draws, n.size))
    residual = float(np.sqrt(np.mean(((y - curve) / errors) ** 2)))
    c, a, b = (float(number) for number in best)
    return LearningCurve(c, a, b, _fits(n, resampled, errors, most), n.size, residual)


def _fits(n: Floats, y: Floats, errors: Floats, most: float) -> Floats:
    """Best (c, a, b) for each row of ``y``, (B, 3)."""
    weight = 1 / errors**2
    weight = weight / weight.sum()
    best = np.full(y.shape[0], np.inf)
    found = np.zeros((y.shape[0], 3))
    mean = y @ weight
    for exponent in EXPONENTS:
        x = n**-exponent
        middle = float(weight @ x)
        spread = float(weight @ (x - middle) ** 2)
        a = np.maximum(0, -((y - mean[:, None]) * (x - middle)) @ weight / spread)
        c = mean + a * middle
        over = c > most
        held = np.maximum(0, ((most - y) * x) @ weight / float(weight @ x**2))
        a, c = np.where(over, held, a), np.where(over, most, c)
        loss = ((y - c[:, None] + a[:, None] * x) ** 2) @ weight
        better = loss < best
        best = np.where(better, loss, best)
        found[better] = np.stack([c, a, np.full_like(a, exponent)], axis=1)[better]
    return found


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a number of labels of one kind would buy."""

    labels: int
    cost: float
    gain: Estimate
    """In the curve's own points (accuracy, win rate)."""
    cost_per_point: Estimate
    """Money for one percentage point; the upper end is infinite where no gain is possible."""


def next_labels(
    curve: LearningCurve, have: float, *, more: int = 1000, cost_per_label: float
) -> Purchase:
    """What the next ``more`` labels buy, in points and in money."""
    if have < 1 or more < 1 or cost_per_label < 0:
        raise BadInput("Have and buy at least one label, at a cost of at least 0.")
    gain, cost = curve.gain(have, more), more * cost_per_label
    ends = [cost / (100 * end) if end > 1e-12 else np.inf for end in gain[:3]]
    price = Estimate(float(ends[0]), float(ends[2]), float(ends[1]), gain.count)
    return Purchase(more, cost, gain, price)


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of feedback to spend on: its curve, what there is of it, and its price."""

    curve: LearningCurve
    have: float
    cost_per_label: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What each offer would gain for the same money."""

    purchases: Mapping[str, Purchase]
    best: str
    lead: Estimate
    """The best one's gain minus the second's."""
    probability: float
    """How often the draws agree that it is the best."""


def best_purchase(offers: Mapping[str, Offer], *, budget: float) -> Choice:
    """Demonstrations or comparisons: which buys more of one metric for ``budget``.

    Curves must be of the same metric (the policy's win rate, say) with everything else held still:
    what one kind gains once the other has grown too is not in them.
    """
    if len(offers) < 2:
        raise BadInput("A choice needs at least two kinds of feedback.")
    bought = {}
    for name, offer in offers.items():
        labels = int(budget // offer.cost_per_label) if offer.cost_per_label > 0 else 0
        if labels < 1:
            raise BadInput(f"{budget:g} does not buy one label of kind {name}.")
        bought[name] = next_labels(
            offer.curve, offer.have, more=labels, cost_per_label=offer.cost_per_label
        )
    order = sorted(bought, key=lambda name: -bought[name].gain.value)
    size = min(offer.curve.draws.shape[0] for offer in offers.values())
    drawn = {
        name: a[:size] * (offer.have ** -b[:size] - (offer.have + bought[name].labels) ** -b[:size])
        for name, offer in offers.items()
        for _, a, b in [offer.curve.draws.T]
    }
    lead = drawn[order[0]] - drawn[order[1]]
    value = bought[order[0]].gain.value - bought[order[1]].gain.value
    low, high = np.quantile(lead, [0.025, 0.975])
    top = np.max([drawn[name] for name in order[1:]], axis=0)
    points = min(bought[name].gain.count for name in order[:2])
    return Choice(
        bought,
        order[0],
        Estimate(value, min(float(low), value), max(float(high), value), points),
        float(np.mean(drawn[order[0]] > top)),
    )
