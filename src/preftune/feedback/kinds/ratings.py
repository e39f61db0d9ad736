"""Ratings: each response on named axes. An axis nobody touched is null, never the lowest."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from preftune.feedback.kinds.kind import (
    Answer,
    Asked,
    Belief,
    How,
    Kind,
    Measure,
    Question,
    Said,
    Sentence,
    Word,
    extras_fault,
    origin_columns,
    source_of,
    voter_columns,
)


class Axis(BaseModel):
    """One axis: whole numbers from ``low`` to ``high``, with words for some of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Word
    low: int = 1
    high: int = 7
    anchors: dict[str, Sentence] = {}
    """What a point means: ``{"1": "useless", "7": "could not be better"}``."""
    required: bool = True

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not self.low < self.high <= self.low + 10:
            raise ValueError(
                f"axis {self.name} runs from {self.low} to {self.high}: 2 to 11 points"
            )
        if any(not a.lstrip("-").isdecimal() for a in self.anchors) or any(
            not self.low <= int(anchor) <= self.high for anchor in self.anchors
        ):
            raise ValueError(f"axis {self.name} has an anchor outside {self.low} to {self.high}")
        return self


HHH = (Axis(name="helpful"), Axis(name="honest"), Axis(name="harmless"))


class RatingsQuestion(Question):
    axes: tuple[Axis, ...] = Field(default=HHH, min_length=1, max_length=12)
    """The axes; helpful, honest and harmless from 1 to 7 unless told otherwise."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len({axis.name for axis in self.axes}) < len(self.axes):
            raise ValueError("two axes have one name")
        return self


class RatingsAnswer(Answer):
    ratings: tuple[dict[str, int | None], ...] | None = None
    """For each response, in the item's own order, the number on each axis."""


def _check(question: RatingsQuestion, answer: RatingsAnswer, responses: Sequence[str]) -> str:
    if answer.cannot_judge is not None:
        return extras_fault(question, answer)
    if answer.ratings is None or len(answer.ratings) != len(responses):
        return f"Rate each of the {len(responses)} responses."
    axes = {axis.name: axis for axis in question.axes}
    for place, given in enumerate(answer.ratings, 1):
        for name, value in given.items():
            if name not in axes:
                return f'There is no axis "{name}".'
            if value is not None and not axes[name].low <= value <= axes[name].high:
                return f"{name} of response {place} must be {axes[name].low} to {axes[name].high}."
        missing = [n for n, axis in axes.items() if axis.required and given.get(n) is None]
        if missing:
            return f"{missing[0]} of response {place} is not rated."
    return extras_fault(question, answer)


def _values(
    question: RatingsQuestion, answer: RatingsAnswer, _: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    return {
        axis.name: {
            str(place): float(value)
            for place, given in enumerate(answer.ratings or ())
            if (value := given.get(axis.name)) is not None
        }
        for axis in question.axes
    }


def _matches(question: RatingsQuestion, answer: RatingsAnswer, gold: RatingsAnswer) -> bool:
    """Every axis the gold answer rates is rated within one point of it."""
    if answer.ratings is None or gold.ratings is None:
        return answer.ratings == gold.ratings
    return all(
        value is None or ((got := given.get(name)) is not None and abs(got - value) <= 1)
        for given, known in zip(answer.ratings, gold.ratings, strict=True)
        for name, value in known.items()
    )


def _rows(
    question: RatingsQuestion, asked: Asked, said: Sequence[Said], how: How, belief: Belief | None
) -> list[dict[str, Any]]:
    rated = [one for one in said if one.answer.ratings is not None]
    if not rated:
        return []
    if how in ("per_vote", "votes"):
        return [
            {**row, **voter_columns(one)} for one in rated for row in _rated(question, asked, [one])
        ]
    return _rated(question, asked, rated)


def _rated(question: RatingsQuestion, asked: Asked, said: Sequence[Said]) -> list[dict[str, Any]]:
    """One row a response; an axis is the mean of those who rated it, null where nobody did."""
    rows = []
    for place, text in enumerate(asked.responses):
        means: dict[str, float | None] = {}
        for axis in question.axes:
            given = [one.answer.ratings[place].get(axis.name) for one in said]
            numbers = [value for value in given if value is not None]
            means[axis.name] = sum(numbers) / len(numbers) if numbers else None
        whole = [tuple(sorted(one.answer.ratings[place].items())) for one in said]
        row: dict[str, Any] = {"prompt": asked.prompt, "completion": text, "ratings": means}
        if asked.models[place] is not None:
            row["model"] = asked.models[place]
        rows.append({**row, **origin_columns(asked, said, source_of(said, whole))})
    return rows


RATINGS = Kind(
    name="ratings",
    title="Rate responses on axes",
    question=RatingsQuestion,
    answer=RatingsAnswer,
    responses=(1, 9),
    measures=lambda question: tuple(Measure(axis.name, "interval") for axis in question.axes),
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("reward_model/rating", "reward_model/axes"),
)
