"""Thumbs: is this one response good or not."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

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


class ThumbsQuestion(Question):
    pass


class ThumbsAnswer(Answer):
    thumb: Literal["up", "down"] | None = None


def _check(question: ThumbsQuestion, answer: ThumbsAnswer, _: Sequence[str]) -> str:
    if answer.cannot_judge is None and answer.thumb is None:
        return "Say up or down."
    return extras_fault(question, answer)


def _values(
    _: ThumbsQuestion, answer: ThumbsAnswer, responses: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    return {"thumb": {"": float(answer.thumb == "up")}} if answer.thumb is not None else {}


def _rows(
    _: ThumbsQuestion, asked: Asked, said: Sequence[Said], how: How, belief: Belief | None
) -> list[dict[str, Any]]:
    given = [one for one in said if one.answer.thumb is not None]
    if how in ("per_vote", "votes"):
        return [{**_row(asked, [one]), **voter_columns(one)} for one in given]
    ups = sum(one.answer.thumb == "up" for one in given)
    return [_row(asked, given)] if 2 * ups != len(given) else []


def _row(asked: Asked, given: Sequence[Said]) -> dict[str, Any]:
    thumbs = [one.answer.thumb for one in given]
    row = {
        "prompt": asked.prompt,
        "completion": asked.responses[0],
        "label": 2 * thumbs.count("up") > len(thumbs),
    }
    if asked.models[0] is not None:
        row["model"] = asked.models[0]
    return {**row, **origin_columns(asked, given, source_of(given, thumbs))}


THUMBS = Kind(
    name="thumbs",
    title="Thumbs up or down",
    question=ThumbsQuestion,
    answer=ThumbsAnswer,
    responses=(1, 1),
    measures=lambda _: (Measure("thumb", "nominal"),),
    check=_check,
    values=_values,
    matches=lambda _, answer, gold: answer.thumb == gold.thumb,
    rows=_rows,
    losses=("kto",),
)
