"""Votes and rankings to comparisons: who won, and with what share."""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

from preftune.records import Vote

VOTES = ("a", "b", "tie", "both_bad")


class Tally(NamedTuple):
    """How often each answer was given. ``both_bad`` says nothing about which side is better."""

    a: int
    b: int
    tie: int
    both_bad: int


def tally(votes: Iterable[Vote]) -> Tally:
    """Count the votes."""
    counts = dict.fromkeys(VOTES, 0)
    for vote in votes:
        if vote.vote in counts:
            counts[vote.vote] += 1
    return Tally(**counts)


def share_for_a(counts: Tally) -> float | None:
    """The share of decided votes for side a, a tie counting half; None without such votes.

    (a + tie/2) / (a + b + tie); votes that both are bad are left out.
    """
    decided = counts.a + counts.b + counts.tie
    return (counts.a + counts.tie / 2) / decided if decided else None


def weighed_share(votes: Iterable[Vote], weights: Mapping[str, float]) -> float | None:
    """The same with each vote counted by its annotator's weight, 1 for those not named.

    Σ w · (1 for a, ½ for a tie) / Σ w over the votes for a, for b and ties.
    """
    worth = {"a": 1.0, "tie": 0.5, "b": 0.0}
    counted = [
        (weights.get(vote.annotator, 1.0), worth[vote.vote]) for vote in votes if vote.vote in worth
    ]
    total = sum(weight for weight, _ in counted)
    return sum(weight * value for weight, value in counted) / total if total else None


def ranked_pairs(ranks: Iterable[int]) -> list[tuple[int, int]]:
    """Index pairs (better, worse) of all completions with different ranks; 1 is best."""
    pairs = []
    for (i, one), (j, two) in combinations(enumerate(ranks), 2):
        if one != two:
            pairs.append((i, j) if one < two else (j, i))
    return pairs
