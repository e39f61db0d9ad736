"""Comparison: which of two responses is better, and by how much.

Answers speak of the item's own order: ``a`` is its first response, whatever side it was shown on.
A tie and "both bad" are different things: a tie says the two are equally good, ``both_bad`` says
that neither is good enough, with or without a preference beside it.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Literal

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

STEPS = {"2-way": 1, "4-grade": 4, "7-point": 3}
"""How many strengths a side has on each scale."""
WORDS = {
    "4-grade": ("negligibly", "slightly", "better", "significantly"),
    "7-point": ("slightly", "better", "significantly"),
}
"""Llama 2's words for the strengths, 1 first: what the margins of a reward model read."""
SIGN = {"a": 1.0, "tie": 0.0, "b": -1.0}


class ComparisonQuestion(Question):
    scale: Literal["2-way", "4-grade", "7-point"] = "7-point"
    """``2-way``: a or b. ``4-grade``: Llama 2's significantly, better, slightly, negligibly or
    unsure. ``7-point``: three strengths on either side."""
    ties: bool = True
    """Whether "equally good" can be said."""
    both_bad: bool = True
    """Whether "both are bad" can be said, beside a preference or instead of one."""


class ComparisonAnswer(Answer):
    choice: Literal["a", "b", "tie"] | None = None
    strength: int | None = Field(default=None, ge=1, le=4)
    """1 is the least; null for a tie and on the 2-way scale."""
    both_bad: bool = False


def vote_of(answer: ComparisonAnswer) -> str | None:
    """``a``, ``b``, ``tie`` or ``both_bad``; None when it could not be judged."""
    if answer.choice is not None:
        return answer.choice
    return "both_bad" if answer.both_bad else None


def _check(question: ComparisonQuestion, answer: ComparisonAnswer, _: Sequence[str]) -> str:
    if answer.cannot_judge is not None:
        return extras_fault(question, answer)
    if vote_of(answer) is None:
        return "Nothing is chosen: say a, b, a tie, that both are bad, or why it cannot be judged."
    if answer.both_bad and not question.both_bad:
        return 'This project does not offer "both bad".'
    if answer.choice == "tie" and not question.ties:
        return "This project has no ties."
    graded = answer.choice in ("a", "b") and question.scale != "2-way"
    if graded and (answer.strength is None or answer.strength > STEPS[question.scale]):
        return f"The strength must be 1 to {STEPS[question.scale]}."
    if not graded and answer.strength is not None:
        return "There is no strength to give here."
    return extras_fault(question, answer)


def _measures(question: ComparisonQuestion) -> tuple[Measure, ...]:
    strength = {"2-way": (), "4-grade": (Measure("strength", "ordinal"),)}
    graded = strength.get(question.scale, (Measure("strength", "interval"),))
    both_bad = (Measure("both_bad", "nominal"),) if question.both_bad else ()
    return (Measure("preference", "nominal"), *graded, *both_bad)


def _values(
    question: ComparisonQuestion, answer: ComparisonAnswer, _: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    if answer.cannot_judge is not None:
        return {}
    values: dict[str, Mapping[str, float]] = {}
    if answer.choice is not None:
        values["preference"] = {"": SIGN[answer.choice]}
        if question.scale != "2-way":
            values["strength"] = {"": SIGN[answer.choice] * (answer.strength or 0)}
    if question.both_bad:
        values["both_bad"] = {"": float(answer.both_bad)}
    return values


def _matches(_: ComparisonQuestion, answer: ComparisonAnswer, gold: ComparisonAnswer) -> bool:
    return vote_of(answer) == vote_of(gold)


def _rows(
    question: ComparisonQuestion,
    asked: Asked,
    said: Sequence[Said],
    how: How,
    belief: Belief | None,
) -> list[dict[str, Any]]:
    voted = [one for one in said if vote_of(one.answer) is not None]
    if how == "votes":
        return [_table(question, asked, voted)] if voted else []
    decided = [one for one in voted if one.answer.choice is not None]
    if not decided:
        return []
    if how == "per_vote":
        return [
            {**_pair(question, asked, [one], _share([one])), **voter_columns(one)}
            for one in decided
        ]
    if belief is None or any(one.judgment_id.startswith("decision:") for one in decided):
        return [_pair(question, asked, decided, _share(decided))]
    p = belief.probabilities
    return [_pair(question, asked, decided, p.get(1.0, 0.0) + p.get(0.0, 0.0) / 2)]


def _share(decided: Sequence[Said]) -> float:
    """The share of votes for the first response, a tie counting half."""
    return sum((SIGN[one.answer.choice] + 1) / 2 for one in decided) / len(decided)


def _pair(
    question: ComparisonQuestion, asked: Asked, decided: Sequence[Said], share: float
) -> dict[str, Any]:
    first = share >= 0.5
    texts, models = asked.responses[:2], asked.models[:2]
    row: dict[str, Any] = {
        "prompt": asked.prompt,
        "chosen": texts[0] if first else texts[1],
        "rejected": texts[1] if first else texts[0],
        "probability": share if first else 1 - share,
    }
    winner = "a" if first else "b"
    grades = [
        one.answer.strength
        for one in decided
        if one.answer.choice == winner and one.answer.strength
    ]
    if grades and share != 0.5:
        row["strength"] = WORDS[question.scale][round(median(grades)) - 1]
    if any(models):
        row["model_chosen"] = models[0] if first else models[1]
        row["model_rejected"] = models[1] if first else models[0]
    return {
        **row,
        **origin_columns(asked, decided, source_of(decided, [o.answer.choice for o in decided])),
    }


def _table(question: ComparisonQuestion, asked: Asked, voted: Sequence[Said]) -> dict[str, Any]:
    votes = []
    for one in voted:
        vote: dict[str, Any] = {**voter_columns(one), "vote": vote_of(one.answer)}
        if one.answer.strength is not None:
            vote["strength"] = WORDS[question.scale][one.answer.strength - 1]
        if one.order:
            vote["shown_first"] = "a" if one.order[0] == 0 else "b"
        votes.append(vote)
    kinds = [vote_of(one.answer) for one in voted]
    return {
        "prompt": asked.prompt,
        "response_a": asked.responses[0],
        "response_b": asked.responses[1],
        "votes": votes,
        **origin_columns(asked, voted, source_of(voted, kinds)),
    }


COMPARISON = Kind(
    name="comparison",
    title="Compare two responses",
    question=ComparisonQuestion,
    answer=ComparisonAnswer,
    responses=(2, 2),
    measures=_measures,
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("reward_model/bradley_terry", "dpo", "ipo", "simpo", "orpo"),
    hows=("majority", "dawid_skene", "per_vote", "votes"),
)
