"""Ranking: two to nine responses from best to worst, equal ranks allowed."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any

from pydantic import Field

from preftune.feedback.kinds.kind import (
    Answer,
    Asked,
    Belief,
    How,
    Kind,
    Measure,
    Question,
    Said,
    extras_fault,
    origin_columns,
    source_of,
    voter_columns,
)


class RankingQuestion(Question):
    ties: bool = True
    """Whether two responses may share a rank."""


class RankingAnswer(Answer):
    ranks: tuple[Annotated[int, Field(ge=1, le=9)], ...] | None = None
    """One rank for each response in the item's own order, 1 is best; equal ranks are ties."""


def dense(numbers: Sequence[float]) -> tuple[int, ...]:
    """Ranks 1, 2, … without gaps, equal numbers sharing one: (1, 1, 4) becomes (1, 1, 2)."""
    places = {value: place for place, value in enumerate(sorted(set(numbers)), 1)}
    return tuple(places[value] for value in numbers)


def _check(question: RankingQuestion, answer: RankingAnswer, responses: Sequence[str]) -> str:
    if answer.cannot_judge is None:
        if answer.ranks is None or len(answer.ranks) != len(responses):
            return f"Give each of the {len(responses)} responses a rank."
        if not question.ties and len(set(answer.ranks)) < len(answer.ranks):
            return "This project has no ties: give every response a rank of its own."
    return extras_fault(question, answer)


def _values(
    _: RankingQuestion, answer: RankingAnswer, responses: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    if answer.ranks is None:
        return {}
    ranks = dense(answer.ranks)
    pairs = {
        f"{i}-{j}": float((ranks[j] > ranks[i]) - (ranks[j] < ranks[i]))
        for i, j in combinations(range(len(responses)), 2)
    }
    return {"pairs": pairs, "rank": {str(i): float(rank) for i, rank in enumerate(ranks)}}


def _matches(_: RankingQuestion, answer: RankingAnswer, gold: RankingAnswer) -> bool:
    """No pair is the other way round from the gold ranking (a tie on either side passes)."""
    if answer.ranks is None or gold.ranks is None:
        return answer.ranks == gold.ranks
    one, two = answer.ranks, gold.ranks
    return all(
        (one[i] - one[j]) * (two[i] - two[j]) >= 0 for i, j in combinations(range(len(two)), 2)
    ) and (len(set(one)) > 1 or len(set(two)) == 1)


def _rows(
    _: RankingQuestion, asked: Asked, said: Sequence[Said], how: How, belief: Belief | None
) -> list[dict[str, Any]]:
    ranked = [one for one in said if one.answer.ranks is not None]
    if not ranked:
        return []
    if how in ("per_vote", "votes"):
        return [
            {**_ranking(asked, [one], dense(one.answer.ranks)), **voter_columns(one)}
            for one in ranked
        ]
    means = [
        sum(dense(one.answer.ranks)[i] for one in ranked) / len(ranked)
        for i in range(len(asked.responses))
    ]
    return [_ranking(asked, ranked, dense(means))]


def _ranking(asked: Asked, said: Sequence[Said], ranks: tuple[int, ...]) -> dict[str, Any]:
    source = source_of(said, [dense(one.answer.ranks) for one in said])
    row = {
        "prompt": asked.prompt,
        "completions": list(asked.responses),
        "ranks": list(ranks),
        **origin_columns(asked, said, source),
    }
    row["group_id"] = asked.group_id or asked.name
    if any(asked.models):
        row["models"] = list(asked.models)
    return row


RANKING = Kind(
    name="ranking",
    title="Rank several responses",
    question=RankingQuestion,
    answer=RankingAnswer,
    responses=(2, 9),
    measures=lambda _: (Measure("pairs", "nominal"), Measure("rank", "ordinal")),
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("reward_model/k_wise", "reward_model/plackett_luce", "reward_model/best_of_softmax"),
)
