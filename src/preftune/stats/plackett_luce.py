"""Strengths from whole rankings: the best is chosen first, then the best of the rest."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from preftune.records import BadInput
from preftune.stats.bradley_terry import RIDGE, Strengths, centred, strongly_connected
from preftune.stats.clusters import Clusters, Floats, cluster_codes
from preftune.stats.concave import climb
from preftune.stats.ratings import Ints


def plackett_luce(
    rankings: Sequence[Sequence[int]],
    *,
    count: int | None = None,
    clusters: Clusters | None = None,
    ridge: float | None = None,
) -> Strengths:
    """P(i₁ ≻ i₂ ≻ … ≻ i_K) = Π_k exp θ_(i_k) / Σ_(m ≥ k) exp θ_(i_m) (Luce 1959, Plackett 1975).

    Each ranking lists codes 0 … count − 1, best first, at least two, without ties; rankings may
    hold different models. For K = 2 it is Bradley–Terry. Ridge, warning and covariance as in
    ``bradley_terry``; without clusters every ranking is its own unit.
    """
    orders, sizes = _padded(rankings)
    n = int(orders.max()) + 1 if count is None else count
    if int(orders.max()) >= n:
        raise BadInput(f"Models are numbered from 0 to {n - 1}.")
    ridge, warning = _ridge_for(orders, sizes, n, ridge)
    valid = np.arange(orders.shape[1]) < sizes[:, None]

    def curve(theta: Floats) -> tuple[float, Floats, Floats]:
        score = np.where(valid, theta[orders], -np.inf)
        value, pulls, information = 0.0, np.zeros(orders.shape), np.zeros((n, n))
        for place in range(orders.shape[1] - 1):
            open_ = sizes > place + 1
            rest, codes = score[open_, place:], orders[open_, place:]
            total = logsumexp(rest, axis=1, keepdims=True)
            p = np.exp(rest - total)
            value += float((rest[:, 0] - total[:, 0]).sum())
            pulls[open_, place] += 1
            pulls[open_, place:] -= p
            information += _choice_information(p, codes, n)
        slope = np.bincount(orders.ravel(), weights=(pulls * valid).ravel(), minlength=n)
        value -= ridge / 2 * float(theta @ theta)
        return value, slope - ridge * theta, information + ridge * np.eye(n) + 1 / n

    theta = climb(curve, np.zeros(n), what="Plackett–Luce")
    theta = theta - theta.mean()
    inverse = centred(np.linalg.inv(curve(theta)[2]))
    if clusters is None:
        return Strengths(theta, inverse, None, len(rankings), ridge, warning)
    codes = cluster_codes(clusters, len(rankings))
    scores = np.zeros((int(codes.max()) + 1, n))
    pulls = _pulls(np.where(valid, theta[orders], -np.inf), sizes) * valid
    np.add.at(scores, (codes[:, None], orders), pulls)
    units = scores.shape[0]
    if units < 2:
        raise BadInput("Intervals need at least two independent units.")
    half = inverse @ scores.T
    covariance = centred(half @ half.T * units / (units - 1))
    return Strengths(theta, covariance, None, units, ridge, warning)


def _padded(rankings: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    if not rankings:
        raise BadInput("There are no rankings to fit.")
    sizes = np.array([len(ranking) for ranking in rankings])
    for place, ranking in enumerate(rankings):
        if len(ranking) < 2 or len(set(ranking)) != len(ranking) or min(ranking) < 0:
            raise BadInput(f"Ranking {place + 1} needs two or more different models.")
    orders = np.zeros((len(rankings), int(sizes.max())), dtype=np.int64)
    for place, ranking in enumerate(rankings):
        orders[place, : len(ranking)] = ranking
    return orders, sizes


def _pulls(score: Floats, sizes: Ints) -> Floats:
    """∂ log P / ∂ θ of each place of each ranking, (rankings, K)."""
    pulls = np.zeros(score.shape)
    for place in range(score.shape[1] - 1):
        open_ = sizes > place + 1
        rest = score[open_, place:]
        pulls[open_, place] += 1
        pulls[open_, place:] -= np.exp(rest - logsumexp(rest, axis=1, keepdims=True))
    return pulls


def _choice_information(p: Floats, codes: Ints, n: int) -> Floats:
    """Σ diag(p) − p pᵀ over the choices of one place, (n, n)."""
    diagonal = np.bincount(codes.ravel(), weights=p.ravel(), minlength=n)
    cells = codes[:, :, None] * n + codes[:, None, :]
    joint = np.bincount(
        cells.ravel(), weights=(p[:, :, None] * p[:, None, :]).ravel(), minlength=n * n
    )
    return np.asarray(np.diag(diagonal) - joint.reshape(n, n))


def _ridge_for(orders: Ints, sizes: Ints, n: int, ridge: float | None) -> tuple[float, str]:
    winners, losers = [], []
    for place in range(orders.shape[1] - 1):
        open_ = sizes > place + 1
        winners.append(orders[open_, place])
        losers.append(orders[open_, place + 1])
    first, second = np.concatenate(winners), np.concatenate(losers)
    strong, islands = strongly_connected(first, second, np.ones(first.size), n)
    if strong:
        return (ridge or 0.0), ""
    used = RIDGE if ridge is None else ridge
    if used <= 0:
        raise BadInput("The rankings do not fix all strengths and no ridge holds them.")
    return used, (
        f"The rankings do not order all models in both directions ({islands} groups): "
        f"strengths between them come from the prior (ridge {used:g}) alone."
    )
