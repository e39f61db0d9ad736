"""Agreement with intervals, people with people, machines with machines and both kept apart."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from preftune.records import BadInput, Estimate
from preftune.stats.agreement import (
    Level,
    Weights,
    agreement_weights,
    alpha,
    gwet,
    kappa,
    observed,
)
from preftune.stats.bootstrap import bootstrap_totals, percentile_estimate
from preftune.stats.clusters import Clusters, Floats, cluster_codes
from preftune.stats.coincidences import Coincidences, between_pools, within_pool
from preftune.stats.ratings import Table, categories_of, category_counts, ratings_of

PARTIAL: dict[Level, Weights] = {
    "nominal": "identity",
    "ordinal": "linear",
    "interval": "quadratic",
}
"""Credit for near ratings in κ and AC2, by level of measurement."""

MOST_CATEGORIES = 64
"""More different values than this are a slider, not categories."""


class Agreement(TypedDict):
    """One kind of pairs of raters. A coefficient that has no value is None."""

    percent: Estimate | None
    """Share of agreeing pairs on an item; a near rating is no agreement here."""
    kappa: Estimate | None
    """Fleiss' κ, weighted above the nominal level; of mixed pairs with each side's own chance."""
    alpha: Estimate | None
    """Krippendorff's α at this level."""
    ac1: Estimate | None
    """Gwet's AC1 (identity weights at every level)."""
    ac2: Estimate | None
    """Gwet's AC2 with κ's weights; AC1 again at the nominal level."""
    items: int
    """Items with at least one such pair of raters."""
    pairs: int
    """Such pairs of ratings in all."""
    raters: int
    """Raters with at least one rating among them."""


def agreement_report(
    table: Table,
    level: Level = "nominal",
    clusters: Clusters | None = None,
    origins: Sequence[str] | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    categories: Sequence[float] | None = None,
) -> dict[str, Agreement]:
    """``human_human``, ``machine_machine`` and ``mixed``, those that have pairs, with intervals.

    ``clusters`` names each item's independent unit (its prompt), ``origins`` each rater's:
    "human", or anything else for a machine; all are people without it. Intervals are expanded
    percentile ones of the bootstrap over whole clusters. BadInput when lengths do not fit, or a
    slider's values are not rounded first (more than ``MOST_CATEGORIES`` different ones).
    """
    ratings = ratings_of(table)
    names = categories_of(ratings, categories)
    if names.size > MOST_CATEGORIES:
        raise BadInput(
            f"The ratings have {names.size} different values; agreement here needs categories.",
            remedy=f"Round them to at most {MOST_CATEGORIES}, or use krippendorff_alpha alone.",
        )
    codes = cluster_codes(clusters, ratings.items)
    human = _people(origins, ratings.raters)
    people, machines = ratings.of_raters(human), ratings.of_raters(~human)
    found: dict[str, Agreement] = {}
    for name, pools in (
        ("human_human", (people,)),
        ("machine_machine", (machines,)),
        ("mixed", (people, machines)),
    ):
        counts = [category_counts(pool, names) for pool in pools]
        pairs = _pairs(counts)
        if not pairs.any():
            continue
        rated = counts[0].any(axis=1) | counts[-1].any(axis=1)
        groups = np.unique(codes[rated], return_inverse=True)[1]
        parts = [count[rated] for count in counts]
        sums = (
            within_pool(parts[0], groups)
            if len(parts) == 1
            else between_pools(parts[0], parts[1], groups)
        )
        coefficients = _coefficients(sums, names, level, rng, resamples)
        found[name] = {
            **coefficients,  # type: ignore[typeddict-item]
            "items": int((pairs > 0).sum()),
            "pairs": int(pairs.sum()),
            "raters": int(sum(np.unique(pool.rater).size for pool in pools)),
        }
    return found


def _coefficients(
    sums: Coincidences, names: Floats, level: Level, rng: np.random.Generator, resamples: int
) -> dict[str, Estimate | None]:
    flat = sums.flat()
    drawn = Coincidences.from_flat(bootstrap_totals(flat, rng=rng, resamples=resamples), names.size)
    whole = Coincidences.from_flat(flat.sum(axis=0, keepdims=True), names.size)
    strict = agreement_weights(names, "identity")
    partial = agreement_weights(names, PARTIAL[level])
    clusters = int((sums.pairable > 0).sum())

    def both(one: Floats, many: Floats) -> Estimate | None:
        value = float(one[0])
        return percentile_estimate(value, many, clusters) if np.isfinite(value) else None

    return {
        "percent": both(observed(whole, strict), observed(drawn, strict)),
        "kappa": both(kappa(whole, partial), kappa(drawn, partial)),
        "alpha": both(alpha(whole, names, level), alpha(drawn, names, level)),
        "ac1": both(gwet(whole, strict), gwet(drawn, strict)),
        "ac2": both(gwet(whole, partial), gwet(drawn, partial)),
    }


def _people(origins: Sequence[str] | None, raters: int) -> np.ndarray:
    if origins is None:
        return np.ones(raters, dtype=np.bool_)
    if len(origins) != raters:
        raise BadInput(f"There are {raters} raters but {len(origins)} origins.")
    return np.array([origin == "human" for origin in origins], dtype=np.bool_)


def _pairs(counts: list[Floats]) -> Floats:
    """How many pairs each item has, (items,)."""
    totals = [count.sum(axis=1) for count in counts]
    if len(totals) == 1:
        return np.asarray(totals[0] * (totals[0] - 1) / 2)
    return np.asarray(totals[0] * totals[1])
