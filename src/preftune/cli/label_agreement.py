"""How far the annotators of a votes file agree: ``preftune label agreement FILE``."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from preftune.records import BadInput, Estimate
from preftune.stats import (
    Ratings,
    agreement_of_groups,
    agreement_report,
    agreement_with_others,
    cohen_kappa,
    davidson,
    dawid_skene,
    share_estimate,
)
from preftune.stats.agreement import Level

CODES = {"a": 1.0, "tie": 0.0, "b": -1.0, "both_bad": 2.0}
NAMES = {code: name for name, code in CODES.items()}
MEASURES: tuple[tuple[str, Level, frozenset[str]], ...] = (
    ("choice", "nominal", frozenset(CODES)),
    ("order", "ordinal", frozenset({"a", "tie", "b"})),
    ("decided", "nominal", frozenset({"a", "b"})),
)
"""What is compared: every answer as it is; a before tie before b; wins without ties."""
POOLS = ("human_human", "machine_machine", "mixed")
FEW = 20
"""Fewer votes or items than this make no figure of their own."""
MOST_RATERS = 10
"""Up to so many annotators every pair gets its own κ."""


@dataclass(frozen=True)
class Cast:
    """The votes of a file, one row a vote."""

    items: list[int]
    annotators: list[str]
    votes: list[str]
    clusters: list[str]
    """The prompt (or another column) of each item."""
    models: list[tuple[str, str] | None]
    """Whose responses each item compares, where the file says."""
    groups: Mapping[str, str]
    origins: Mapping[str, str]
    """Of each annotator."""


def votes_in(file: str, cluster: str, skip_bad: int = 0) -> Cast:
    """All votes of a votes file; BadInput also when it has no column ``cluster``."""
    from preftune.data import load_ballots

    groups: dict[str, str] = {}
    origins: dict[str, str] = {}
    found = Cast([], [], [], [], [], groups, origins)
    for item, ballot in enumerate(load_ballots(file, skip_bad=skip_bad)):
        found.clusters.append(_cell(ballot.columns, cluster, file, ballot.line))
        models = ballot.columns.get("model_a"), ballot.columns.get("model_b")
        found.models.append((str(models[0]), str(models[1])) if all(models) else None)
        for vote, cell in zip(ballot.votes, ballot.columns["votes"], strict=True):
            groups.setdefault(vote.annotator, vote.group)
            origins.setdefault(vote.annotator, str(cell.get("origin") or "human"))
            found.items.append(item)
            found.annotators.append(vote.annotator)
            found.votes.append(vote.vote)
    return found


def file_agreement(
    file: str, *, cluster: str = "prompt", seed: int = 0, skip_bad: int = 0
) -> dict[str, Any]:
    """Everything ``label agreement`` says of a votes file.

    ``percent``, ``kappa``, ``alpha`` and ``ac1`` at the top are of the first measure and pool that
    has pairs. Intervals by the bootstrap over whole clusters; items are the clusters where a file
    has one prompt only. Raises BadInput when no row has two votes.
    """
    cast = votes_in(file, cluster, skip_bad)
    alone = len(set(cast.clusters)) < 2
    clusters = [str(item) for item in range(len(cast.clusters))] if alone else cast.clusters
    measures = {}
    for name, level, answers in MEASURES:
        one = _measure(cast, level, answers, clusters, seed)
        if one:
            measures[name] = one
    if not measures:
        raise BadInput(
            "No row has two votes to compare.",
            file=file,
            remedy="Agreement needs at least two annotators on some rows.",
        )
    first = next(iter(measures.values()))
    pool = next(name for name in POOLS if name in first)
    ratings, raters = ratings_of_votes(cast, frozenset(CODES))
    found = {
        "path": file,
        "rows": len(cast.clusters),
        "votes": len(cast.votes),
        "annotators": len(cast.groups),
        "answers": dict(sorted(Counter(cast.votes).items())),
        "cluster": "row" if alone else cluster,
        "clusters": len(set(clusters)),
        "pool": pool,
        **{key: first[pool][key] for key in ("percent", "kappa", "alpha", "ac1")},
        "measures": measures,
        "between_groups": _between_groups(cast, ratings, raters, clusters),
        "annotator_pairs": _annotator_pairs(ratings, raters),
        "furthest_from_others": _furthest(ratings, raters, clusters),
        "dawid_skene": _truth(ratings, raters, seed),
    }
    if any(cast.models):
        found["models"] = _models(cast, clusters)
    return found


def ratings_of_votes(cast: Cast, answers: frozenset[str]) -> tuple[Ratings, list[str]]:
    """The votes among ``answers`` as ratings, items numbered as in the file, and the raters."""
    raters = {name: place for place, name in enumerate(cast.groups)}
    kept = [place for place, vote in enumerate(cast.votes) if vote in answers]
    ratings = Ratings(
        np.array([cast.items[n] for n in kept], dtype=np.int64),
        np.array([raters[cast.annotators[n]] for n in kept], dtype=np.int64),
        np.array([CODES[cast.votes[n]] for n in kept], dtype=np.float64),
        len(cast.clusters),
        len(raters),
    )
    return ratings, list(raters)


def _measure(
    cast: Cast, level: Level, answers: frozenset[str], clusters: Sequence[str], seed: int
) -> dict[str, Any]:
    ratings, raters = ratings_of_votes(cast, answers)
    if ratings.values.size == 0:
        return {}
    origins = [cast.origins[name] for name in raters]
    whole = _report(ratings, level, clusters, origins, seed)
    if not whole:
        return {}
    groups: dict[str, Any] = {}
    kinds = sorted(set(cast.groups.values()) - {""})
    for group in kinds if len(kinds) > 1 else ():
        inside = np.array([cast.groups[name] == group for name in raters], dtype=np.bool_)
        if inside[ratings.rater].any():
            part = _report(ratings.of_raters(inside), level, clusters, origins, seed)
            groups |= {group: part["human_human"]} if "human_human" in part else {}
    return {"level": level, **whole, "groups": groups}


def _report(
    ratings: Ratings, level: Level, clusters: Sequence[str], origins: Sequence[str], seed: int
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made = agreement_report(ratings, level, clusters, origins, rng=rng)
    return {
        pool: {
            name: value.as_json() if isinstance(value, Estimate) else value
            for name, value in one.items()
        }
        for pool, one in made.items()
    }


def _between_groups(
    cast: Cast, ratings: Ratings, raters: Sequence[str], clusters: Sequence[str]
) -> list[dict[str, Any]]:
    """Percent agreement of every two groups; empty without two groups."""
    names = [cast.groups[name] for name in raters]
    if len(set(names) - {""}) < 2:
        return []
    found = agreement_of_groups(ratings, names, clusters)
    return [
        {"groups": [str(one), str(other)], "percent": share.as_json()}
        for (one, other), share in found.items()
    ]


def _annotator_pairs(ratings: Ratings, raters: Sequence[str]) -> list[dict[str, Any]]:
    """Cohen's κ of every two of at most ten annotators with twenty rows in common."""
    if not 2 <= len(raters) <= MOST_RATERS:
        return []
    table = np.full((ratings.items, ratings.raters), np.nan)
    table[ratings.item, ratings.rater] = ratings.values
    rows = []
    for one, other in combinations(range(len(raters)), 2):
        both = table[:, [one, other]]
        shared = both[~np.isnan(both).any(axis=1)]
        if len(shared) >= FEW:
            rows.append(
                {
                    "annotators": [raters[one], raters[other]],
                    "items": len(shared),
                    "percent": float(np.mean(shared[:, 0] == shared[:, 1])),
                    "kappa": cohen_kappa(shared),
                }
            )
    return rows


def _furthest(
    ratings: Ratings, raters: Sequence[str], clusters: Sequence[str]
) -> list[dict[str, Any]]:
    """The ten annotators with twenty votes or more who agree least with the others' votes."""
    same = agreement_with_others(ratings)
    judged = ~np.isnan(same)
    often = np.bincount(ratings.rater[judged], minlength=ratings.raters)
    total = np.bincount(ratings.rater[judged], weights=same[judged], minlength=ratings.raters)
    enough = np.flatnonzero(often >= FEW)
    rows = []
    for rater in enough[np.argsort(total[enough] / often[enough], kind="stable")][:10].tolist():
        own = judged & (ratings.rater == rater)
        share = share_estimate(same[own], [clusters[item] for item in ratings.item[own]])
        rows.append(
            {
                "annotator": raters[rater],
                "votes": int(often[rater]),
                "agrees_with_others": share.as_json(),
            }
        )
    return rows


def _truth(ratings: Ratings, raters: Sequence[str], seed: int) -> dict[str, Any] | None:
    """What Dawid–Skene makes of the votes; None where two answers or two raters are missing."""
    if np.unique(ratings.values).size < 2 or len(raters) < 2:
        return None
    fit = dawid_skene(ratings, rng=np.random.default_rng(seed), restarts=2)
    often = np.bincount(ratings.rater, minlength=ratings.raters)
    low, middle, high = np.quantile(np.repeat(fit.accuracy, often), [0.1, 0.5, 0.9])
    sure = fit.posterior.max(axis=1)[np.unique(ratings.item)]
    return {
        "prevalence": {
            NAMES[code]: float(share)
            for code, share in zip(fit.categories, fit.prevalence, strict=True)
        },
        "accuracy": {"tenth": float(low), "median": float(middle), "ninetieth": float(high)},
        "mean_posterior": float(sure.mean()),
        "converged": fit.converged,
    }


def _models(cast: Cast, clusters: Sequence[str]) -> dict[str, Any]:
    """Strengths of the models compared, with ties (Davidson), on Elo's scale."""
    first, second, outcomes, names = [], [], [], []
    codes: dict[str, int] = {}
    for item, vote in zip(cast.items, cast.votes, strict=True):
        pair = cast.models[item]
        if pair is None or vote == "both_bad" or pair[0] == pair[1]:
            continue
        first.append(codes.setdefault(pair[0], len(codes)))
        second.append(codes.setdefault(pair[1], len(codes)))
        outcomes.append((CODES[vote] + 1) / 2)
        names.append(clusters[item])
    fit = davidson(first, second, outcomes, clusters=names if len(set(names)) > 1 else None)
    rated = sorted(zip(codes, fit.elo(), strict=True), key=lambda row: -row[1].value)
    return {
        "strengths": [{"model": name, "elo": one.as_json()} for name, one in rated],
        "tie": fit.tie,
        "warning": fit.warning or None,
    }


def _cell(columns: Mapping[str, Any], name: str, file: str, line: int) -> str:
    if name not in columns:
        raise BadInput(
            f'The row has no column "{name}".',
            file=file,
            line=line,
            remedy="Name a column of the file with --cluster; the usual one is prompt.",
        )
    return str(columns[name])
