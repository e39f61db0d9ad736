"""Mean ratings, and how much of the way from a start to a reference a policy has come."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from preftune.records import BadInput, Estimate
from preftune.stats.bootstrap import bootstrap_totals, percentile_estimate
from preftune.stats.clusters import Clusters, cluster_codes, column
from preftune.stats.intervals import mean_estimate


@dataclass(frozen=True, slots=True)
class GapClosed:
    """Mean ratings on one scale and the share of the gap closed."""

    policy: Estimate
    start: Estimate
    reference: Estimate
    share: Estimate | None
    """(policy − start) / (reference − start); None where the reference is not rated clearly above
    the start, so that there is no gap to close."""


def gap_closed(
    policy: ArrayLike,
    start: ArrayLike,
    reference: ArrayLike,
    clusters: Clusters | None = None,
    *,
    rng: np.random.Generator,
    scale: tuple[float, float] = (1, 7),
    resamples: int = 2000,
) -> GapClosed:
    """Ratings of the policy's, the start's (SFT) and the reference's (human, best of n) responses
    to the same prompts, one row a prompt or rating, on ``scale`` (Stiennon et al. 2020, §4).

    The three are drawn together in the bootstrap over clusters, so what makes a prompt easy
    cancels. 1 is as good as the reference, more is better than it. BadInput when lengths differ or
    a rating is outside the scale.
    """
    columns = [
        column(values, name)
        for values, name in ((policy, "policy's"), (start, "start's"), (reference, "reference's"))
    ]
    sizes = {values.size for values in columns}
    if len(sizes) != 1:
        raise BadInput(f"The three need ratings of the same prompts: {sorted(sizes)} are given.")
    table = np.stack(columns, axis=1)
    if float(table.min()) < scale[0] or float(table.max()) > scale[1]:
        raise BadInput(f"A rating is outside the scale from {scale[0]:g} to {scale[1]:g}.")
    codes = cluster_codes(clusters, table.shape[0])
    rated, began, best = (mean_estimate(values, codes) for values in columns)
    gap = mean_estimate(table[:, 2] - table[:, 1], codes)
    if gap.low <= 0:
        return GapClosed(rated, began, best, None)
    gained = np.stack([table[:, 0] - table[:, 1], table[:, 2] - table[:, 1]], axis=1)
    sums = np.zeros((int(codes.max()) + 1, 2))
    np.add.at(sums, codes, gained)
    drawn = bootstrap_totals(sums, rng=rng, resamples=resamples)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(drawn[:, 1] > 0, drawn[:, 0] / drawn[:, 1], np.nan)
    value = float(gained[:, 0].sum() / gained[:, 1].sum())
    share = percentile_estimate(value, shares, sums.shape[0])
    return GapClosed(rated, began, best, share)
