"""Demonstration: the labeler writes the response a model should give."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from preftune.feedback.kinds.kind import (
    Answer,
    Asked,
    Belief,
    How,
    Kind,
    LongText,
    Measure,
    Question,
    Said,
    extras_fault,
    origin_columns,
    source_of,
    voter_columns,
)


class DemonstrationQuestion(Question):
    min_words: int = Field(default=1, ge=1)
    max_words: int = Field(default=2_000, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_words > self.max_words:
            raise ValueError("min_words is larger than max_words: nothing could be written")
        return self


class DemonstrationAnswer(Answer):
    text: LongText | None = None
    pasted: int = Field(default=0, ge=0)
    """How often something was pasted into the text; what was pasted is not kept."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_pasted_beside_a_reason(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("cannot_judge") is not None:
            return {**given, "pasted": 0}
        return given


def length_fault(text: str | None, low: int, high: int) -> str:
    """What is wrong with the number of words; "" if nothing."""
    words = len((text or "").split())
    if words < low:
        return f"The text has {words} words; it needs at least {low}."
    return f"The text has {words} words; {high} is the most." if words > high else ""


def _check(question: DemonstrationQuestion, answer: DemonstrationAnswer, _: Sequence[str]) -> str:
    if answer.cannot_judge is None:
        fault = length_fault(answer.text, question.min_words, question.max_words)
        if fault:
            return fault
    return extras_fault(question, answer)


def _values(
    _: DemonstrationQuestion, answer: DemonstrationAnswer, responses: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    return {"words": {"": float(len(answer.text.split()))}} if answer.text else {}


def _matches(
    _: DemonstrationQuestion, answer: DemonstrationAnswer, gold: DemonstrationAnswer
) -> bool:
    """The same words, whatever the spaces and capitals."""
    return _words(answer.text) == _words(gold.text)


def _words(text: str | None) -> list[str]:
    return (text or "").casefold().split()


def _rows(
    _: DemonstrationQuestion, asked: Asked, said: Sequence[Said], how: How, belief: Belief | None
) -> list[dict[str, Any]]:
    """One row a writer: texts are not averaged."""
    return [
        {
            "prompt": asked.prompt,
            "completion": one.answer.text,
            **origin_columns(asked, [one], source_of([one], [one.answer.text])),
            **voter_columns(one),
        }
        for one in said
        if one.answer.text
    ]


DEMONSTRATION = Kind(
    name="demonstration",
    title="Write the response",
    question=DemonstrationQuestion,
    answer=DemonstrationAnswer,
    responses=(0, 0),
    measures=lambda _: (Measure("words", "interval"),),
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("sft",),
    hows=("per_vote",),
)
