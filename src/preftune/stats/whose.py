"""Whose preferences: agreement and accuracy by group, and on labelers never trained on."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from preftune.records import BadInput, Estimate
from preftune.stats.clusters import Clusters, Floats, cluster_codes, cluster_sums, shares
from preftune.stats.intervals import share_estimate
from preftune.stats.ratings import Table, categories_of, category_counts, ratings_of


def agreement_with_others(table: Table) -> Floats:
    """For each rating, the share of the item's other raters who said the same; NaN without any.

    (ratings,), in the order of ``ratings_of(table)``. Its mean over a group's ratings is how far
    that group sees things as everyone does.
    """
    ratings = ratings_of(table)
    names = categories_of(ratings)
    counts = category_counts(ratings, names)
    same = counts[ratings.item, np.searchsorted(names, ratings.values)] - 1
    others = counts.sum(axis=1)[ratings.item] - 1
    return np.divide(same, others, out=np.full(same.shape, np.nan), where=others > 0)


def agreement_of_groups(
    table: Table, groups: Sequence[Hashable], clusters: Clusters | None = None
) -> dict[tuple[Hashable, Hashable], Estimate]:
    """Percent agreement within every group and between every two, keyed (one, other) in order.

    ``groups`` names each rater's group, ``clusters`` each item's prompt. Every item with such a
    pair counts once; pairs of groups that never met are left out.
    """
    ratings = ratings_of(table)
    if len(groups) != ratings.raters:
        raise BadInput(f"There are {ratings.raters} raters but {len(groups)} groups.")
    names, codes = categories_of(ratings), cluster_codes(clusters, ratings.items)
    kinds = sorted(set(groups), key=str)
    counts = {}
    for kind in kinds:
        own = np.array([group == kind for group in groups])
        counts[kind] = category_counts(ratings.of_raters(own), names)
    found = {}
    for place, one in enumerate(kinds):
        for other in kinds[place:]:
            share = _shared(counts[one], counts[other], one == other)
            met = ~np.isnan(share)
            if met.any():
                found[one, other] = share_estimate(share[met], codes[met])
    return found


def share_by_group(
    values: ArrayLike, groups: Sequence[Hashable], clusters: Clusters | None = None
) -> dict[Hashable, Estimate]:
    """The mean of ``values`` in [0, 1] (right or wrong) in each group, clustered by prompt."""
    x = shares(values)
    codes = cluster_codes(clusters, x.size)
    if len(groups) != x.size:
        raise BadInput(f"There are {x.size} values but {len(groups)} groups.")
    made = {}
    for kind in sorted(set(groups), key=str):
        own = np.array([group == kind for group in groups])
        made[kind] = share_estimate(x[own], codes[own])
    return made


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Accuracy on votes of labelers trained on, and of others."""

    training: Estimate
    held_out: Estimate
    gap: Estimate
    """training − held out. InstructGPT: 72.4 and 69.6 %, a gap of 2.8 points."""


def held_out_labelers(
    correct: ArrayLike,
    annotators: Sequence[Hashable],
    held_out: Sequence[Hashable],
    clusters: Clusters,
) -> HeldOut:
    """Does the reward model know people's preferences, or these people's?

    ``correct`` says of every vote on validation prompts (never trained on, by anyone) whether the
    model agrees (.5 where its scores are equal). The gap's variance is clustered by prompt and by
    annotator, V_prompt + V_annotator − V_both (Cameron, Gelbach and Miller 2011): two votes on one
    prompt are not independent, nor are two of one person.
    """
    x = shares(correct, "verdicts")
    if len(annotators) != x.size:
        raise BadInput(f"There are {x.size} verdicts but {len(annotators)} annotators.")
    strangers = set(held_out)
    away = np.array([annotator in strangers for annotator in annotators], dtype=np.bool_)
    if away.all() or not away.any():
        raise BadInput("Both labelers trained on and held-out ones must have votes.")
    prompt, person = cluster_codes(clusters, x.size), cluster_codes(annotators, x.size)
    weight = np.where(away, -1 / away.sum(), 1 / (~away).sum())
    mean = np.where(away, x[away].mean(), x[~away].mean())
    pull = weight * (x - mean)
    both = cluster_codes(list(zip(prompt.tolist(), person.tolist(), strict=True)), x.size)
    parts = [_meat(pull, codes) for codes in (prompt, person, both)]
    variance = max(parts[0] + parts[1] - parts[2], parts[0], parts[1])
    gap = float(x[~away].mean() - x[away].mean())
    half = float(ndtri(0.975)) * variance**0.5
    units = int(min(prompt.max(), person.max())) + 1
    return HeldOut(
        share_estimate(x[~away], prompt[~away]),
        share_estimate(x[away], prompt[away]),
        Estimate(gap, gap - half, gap + half, units),
    )


def labeler_folds(
    annotators: Sequence[Hashable], folds: int, *, rng: np.random.Generator
) -> dict[Hashable, int]:
    """Each annotator's fold, 0 … folds − 1, folds of equal size up to one person.

    InstructGPT (§3.4) split its labelers into five, trained on four and measured on the fifth.
    """
    people = sorted(set(annotators), key=str)
    if not 2 <= folds <= len(people):
        raise BadInput(f"{len(people)} annotators cannot be split into {folds} folds.")
    order = rng.permutation(len(people))
    return {people[place]: number % folds for number, place in enumerate(order.tolist())}


def _shared(first: Floats, second: Floats, same: bool) -> Floats:
    """Share of agreeing pairs of each item, NaN without a pair."""
    one, two = first.sum(axis=1), second.sum(axis=1)
    pairs = one * (one - 1) if same else one * two
    agreeing = (first * (first - 1 if same else second)).sum(axis=1)
    return np.divide(agreeing, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)


def _meat(pull: Floats, codes: NDArray[np.int64]) -> float:
    sums = cluster_sums(pull, codes)
    return float(sums.size / max(sums.size - 1, 1) * (sums @ sums))
