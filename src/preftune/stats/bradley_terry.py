"""Strengths of models (or answers) from who beat whom."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, logsumexp, ndtri, stdtrit

from preftune.records import BadInput, Estimate
from preftune.stats.clusters import Clusters, Floats, cluster_codes, shares
from preftune.stats.concave import climb
from preftune.stats.ratings import Ints

POINTS = 400 / np.log(10)
"""Elo points a logit: 173.7."""

RIDGE = 0.1
"""Precision of the normal prior on strengths where comparisons alone do not fix them."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """Strengths θ in logits, mean 0, with their covariance."""

    theta: Floats
    covariance: Floats
    """Of θ; cluster-robust where clusters were given. (n, n)."""
    tie: float | None
    """Davidson's ν: a tie between equals has probability ν / (2 + ν). None without the term."""
    clusters: int
    """Independent units behind the intervals."""
    ridge: float
    warning: str
    """Empty, or why strengths are not fixed by the comparisons alone."""

    def estimates(self) -> list[Estimate]:
        """Each θ against the mean of all, with 95 % interval."""
        half = self._quantile() * np.sqrt(np.diag(self.covariance))
        return [
            Estimate(float(t), float(t - h), float(t + h), self.clusters)
            for t, h in zip(self.theta, half, strict=True)
        ]

    def elo(self, mean: float = 1000.0) -> list[Estimate]:
        """On Elo's scale, 400 / ln 10 points a logit, mean 1000."""
        return [_through(one, lambda end: mean + POINTS * end) for one in self.estimates()]

    def difference(self, one: int, other: int) -> Estimate:
        """θ of one minus θ of the other: their shared uncertainty cancels."""
        gap = float(self.theta[one] - self.theta[other])
        c = self.covariance
        variance = float(c[one, one] + c[other, other] - 2 * c[one, other])
        half = self._quantile() * max(variance, 0.0) ** 0.5
        return Estimate(gap, gap - half, gap + half, self.clusters)

    def beats(self, one: int, other: int) -> Estimate:
        """Probability that one wins where there is no tie, σ(difference)."""
        return _through(self.difference(one, other), expit)

    def _quantile(self) -> float:
        few = self.clusters - 1
        return float(stdtrit(few, 0.975)) if 1 <= few < 10**6 else float(ndtri(0.975))


def _through(one: Estimate, rising: Callable[[float], float]) -> Estimate:
    """Value and both ends through a rising function."""
    return Estimate(
        float(rising(one.value)), float(rising(one.low)), float(rising(one.high)), one.count
    )


def bradley_terry(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    *,
    count: int | None = None,
    clusters: Clusters | None = None,
    ridge: float | None = None,
) -> Strengths:
    """P(i beats j) = σ(θ_i − θ_j), maximum likelihood; a tie is half a win and half a loss.

    Bradley and Terry 1952. ``first`` and ``second`` are codes 0 … count − 1, ``outcomes`` 1 where
    the first won, .5, 0, or any share of wins between. Without ``ridge`` there is none where the
    comparison graph (an edge from loser to winner, both ways for a tie) is strongly connected;
    elsewhere the maximum is at infinity (Ford 1957), so θ gets a normal prior of precision
    ``RIDGE`` and the fit says so in ``warning``. Covariance: inverse information, or with
    ``clusters`` (prompts, annotators) the sandwich with score sums of clusters.
    """
    games = _games(first, second, outcomes, count)
    ridge, warning = _ridge_for(games, ridge)
    n = games.count

    def curve(theta: Floats) -> tuple[float, Floats, Floats]:
        gap = theta[games.first] - theta[games.second]
        p = expit(gap)
        value = float(np.sum(games.y * gap - np.logaddexp(0, gap)))
        slope = _spread(games, games.y - p)
        value -= ridge / 2 * float(theta @ theta)
        information = _laplacian(games, p * (1 - p)) + ridge * np.eye(n)
        return value, slope - ridge * theta, information + 1 / n

    theta = climb(curve, np.zeros(n), what="Bradley–Terry")
    theta = theta - theta.mean()
    inverse = centred(np.linalg.inv(curve(theta)[2]))
    covariance, units = inverse, games.y.size
    if clusters is not None:
        p = expit(theta[games.first] - theta[games.second])
        covariance, units = _sandwich(inverse, games, (games.y - p)[:, None], clusters, 0)
    return Strengths(theta, covariance, None, units, ridge, warning)


def davidson(
    first: ArrayLike,
    second: ArrayLike,
    outcomes: ArrayLike,
    *,
    count: int | None = None,
    clusters: Clusters | None = None,
    ridge: float | None = None,
) -> Strengths:
    """Bradley–Terry with ties of their own (Davidson 1970): outcomes 1, .5 (tie) or 0.

        P(i beats j) ∝ π_i,  P(j beats i) ∝ π_j,  P(tie) ∝ ν √(π_i π_j),   π = exp θ

    Without a single tie it is ``bradley_terry`` with ν = 0. The rest as there.
    """
    games = _games(first, second, outcomes, count)
    tied = games.y == 0.5
    if not bool((tied | (games.y == 0) | (games.y == 1)).all()):
        raise BadInput("Outcomes are 1 (won), 0.5 (tie) or 0 (lost).")
    if tied.all():
        raise BadInput("Every comparison is a tie: strengths and ties cannot be told apart.")
    if not tied.any():
        plain = bradley_terry(first, second, outcomes, count=count, clusters=clusters, ridge=ridge)
        return Strengths(
            plain.theta, plain.covariance, 0.0, plain.clusters, plain.ridge, plain.warning
        )
    ridge, warning = _ridge_for(games, ridge)
    n = games.count

    def curve(at: Floats) -> tuple[float, Floats, Floats]:
        theta, p = at[:n], _three(games, at)
        chosen = np.where(tied, p[1], np.where(games.y == 1, p[0], p[2]))
        value = float(np.log(chosen).sum()) - ridge / 2 * float(theta @ theta)
        return value, _davidson_slope(games, p, at, ridge), _davidson_curvature(games, p, ridge)

    at = climb(curve, np.zeros(n + 1), what="Bradley–Terry with ties")
    at[:n] -= at[:n].mean()
    p = _three(games, at)
    inverse = np.linalg.inv(_davidson_curvature(games, p, ridge))
    covariance, units = centred(inverse[:n, :n]), games.y.size
    if clusters is not None:
        pulls = np.stack([games.y - p[0] - p[1] / 2, tied - p[1]], axis=1)
        covariance, units = _sandwich(inverse, games, pulls, clusters, 1)
    return Strengths(at[:n], covariance, float(np.exp(at[n])), units, ridge, warning)


@dataclass(frozen=True, slots=True)
class _Games:
    first: Ints
    second: Ints
    y: Floats
    count: int


def _games(first: ArrayLike, second: ArrayLike, outcomes: ArrayLike, count: int | None) -> _Games:
    one, two, y = np.asarray(first), np.asarray(second), shares(outcomes, "outcomes")
    if one.shape != y.shape or two.shape != y.shape:
        raise BadInput("A comparison needs a first, a second and an outcome.")
    n = int(max(one.max(), two.max())) + 1 if count is None else count
    if min(one.min(), two.min()) < 0 or max(one.max(), two.max()) >= n:
        raise BadInput(f"Models are numbered from 0 to {n - 1}.")
    if bool((one == two).any()):
        raise BadInput("A model cannot be compared with itself.")
    return _Games(one.astype(np.int64), two.astype(np.int64), y, n)


def strongly_connected(
    first: ArrayLike, second: ArrayLike, outcomes: ArrayLike, count: int
) -> tuple[bool, int]:
    """Whether every model beat (or tied with) every other through some chain; and into how many
    islands without any comparison between them the models fall."""
    games = _games(first, second, outcomes, count)
    won, lost = games.y > 0, games.y < 1
    source = np.concatenate([games.second[won], games.first[lost]])
    target = np.concatenate([games.first[won], games.second[lost]])
    graph = coo_array((np.ones(source.size), (source, target)), shape=(count, count))
    strong = connected_components(graph, directed=True, connection="strong")[0]
    islands = connected_components(graph, directed=True, connection="weak")[0]
    return strong == 1, int(islands)


def _ridge_for(games: _Games, ridge: float | None) -> tuple[float, str]:
    strong, islands = strongly_connected(games.first, games.second, games.y, games.count)
    if strong:
        return (ridge or 0.0), ""
    used = RIDGE if ridge is None else ridge
    if used <= 0:
        raise BadInput(
            "The comparisons do not fix all strengths and no ridge holds them.",
            remedy="Leave ridge out, set it above 0, or compare more.",
        )
    why = (
        f"The models fall into {islands} groups that were never compared with each other"
        if islands > 1
        else "Some models never lost to, or never beat, any of the others"
    )
    return used, f"{why}: strengths between them come from the prior (ridge {used:g}) alone."


def _spread(games: _Games, pull: Floats) -> Floats:
    return np.asarray(
        np.bincount(games.first, weights=pull, minlength=games.count)
        - np.bincount(games.second, weights=pull, minlength=games.count)
    )


def _laplacian(games: _Games, weight: Floats) -> Floats:
    n = games.count
    cells = np.bincount(games.first * n + games.second, weights=weight, minlength=n * n)
    between = cells.reshape(n, n)
    between = between + between.T
    return np.asarray(np.diag(between.sum(axis=1)) - between)


def _three(games: _Games, at: Floats) -> Floats:
    """P(first wins), P(tie), P(second wins), (3, games)."""
    half = (at[games.first] - at[games.second]) / 2
    logs = np.stack([half, np.full(half.shape, at[-1]), -half])
    return np.asarray(np.exp(logs - logsumexp(logs, axis=0)))


def _davidson_slope(games: _Games, p: Floats, at: Floats, ridge: float) -> Floats:
    slope = _spread(games, games.y - p[0] - p[1] / 2) - ridge * at[: games.count]
    return np.append(slope, float(np.sum((games.y == 0.5) - p[1])))


def _davidson_curvature(games: _Games, p: Floats, ridge: float) -> Floats:
    """Minus the Hessian in (θ, log ν). With x = half the gap: E[s], E[t] of s ∈ {½, 0, −½}."""
    n, mean = games.count, (p[0] - p[2]) / 2
    gap = (p[0] + p[2]) / 4 - mean**2
    made = np.empty((n + 1, n + 1))
    made[:n, :n] = _laplacian(games, gap) + ridge * np.eye(n) + 1 / n
    made[:n, n] = made[n, :n] = _spread(games, -mean * p[1])
    made[n, n] = float(np.sum(p[1] * (1 - p[1])))
    return made


def centred(covariance: NDArray[Any]) -> Floats:
    """The covariance of θ minus its mean."""
    rows = covariance - covariance.mean(axis=0, keepdims=True)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def _sandwich(
    inverse: NDArray[Any], games: _Games, pulls: Floats, clusters: Clusters, others: int
) -> tuple[Floats, int]:
    """H⁻¹ (Σ_g s_g s_gᵀ) H⁻¹ · G/(G−1), s_g the score of a cluster; of θ alone, centred."""
    codes = cluster_codes(clusters, games.y.size)
    units, n = int(codes.max()) + 1, games.count
    if units < 2:
        raise BadInput("Intervals need at least two independent units.")
    scores = np.zeros((units, n + others))
    np.add.at(scores, (codes, games.first), pulls[:, 0])
    np.add.at(scores, (codes, games.second), -pulls[:, 0])
    if others:
        np.add.at(scores[:, n], codes, pulls[:, 1])
    half = inverse @ scores.T
    return centred((half @ half.T)[:n, :n] * units / (units - 1)), units
