"""Steps: a mark for every step of a response, for process reward models."""

from collections.abc import Mapping, Sequence
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

MARK = {"right": 1.0, "unclear": 0.5, "wrong": 0.0}


class StepsQuestion(Question):
    separator: str = Field(default="\n", min_length=1)
    """The text between two steps of a response."""
    unclear: bool = True
    """Whether "neither right nor wrong" can be said."""


class StepsAnswer(Answer):
    marks: tuple[Literal["right", "unclear", "wrong"] | None, ...] | None = None
    """One mark for each step, null where nobody looked (after the first wrong one, say)."""


def steps_of(question: StepsQuestion, response: str) -> tuple[str, ...]:
    """The steps of a response, empty ones left out."""
    return tuple(part for part in response.split(question.separator) if part.strip())


def _check(question: StepsQuestion, answer: StepsAnswer, responses: Sequence[str]) -> str:
    if answer.cannot_judge is None:
        count = len(steps_of(question, responses[0]))
        if answer.marks is None or len(answer.marks) != count:
            return f"The response has {count} steps: give a mark (or null) for each."
        if all(mark is None for mark in answer.marks):
            return "No step is marked."
        if "unclear" in answer.marks and not question.unclear:
            return "This project asks for right or wrong only."
    return extras_fault(question, answer)


def _values(
    _: StepsQuestion, answer: StepsAnswer, responses: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    marks = {str(i): MARK[m] for i, m in enumerate(answer.marks or ()) if m is not None}
    return {"step": marks} if marks else {}


def _matches(_: StepsQuestion, answer: StepsAnswer, gold: StepsAnswer) -> bool:
    """The same steps are called wrong."""
    if answer.marks is None or gold.marks is None:
        return answer.marks == gold.marks
    return [m == "wrong" for m in answer.marks] == [m == "wrong" for m in gold.marks]


def _rows(
    question: StepsQuestion, asked: Asked, said: Sequence[Said], how: How, belief: Belief | None
) -> list[dict[str, Any]]:
    marked = [one for one in said if one.answer.marks is not None]
    if not marked:
        return []
    if how in ("per_vote", "votes"):
        return [{**_row(question, asked, [one]), **voter_columns(one)} for one in marked]
    return [_row(question, asked, marked)]


def _row(question: StepsQuestion, asked: Asked, marked: Sequence[Said]) -> dict[str, Any]:
    """A step's label is the mean mark of those who looked, null where nobody did."""
    steps = steps_of(question, asked.responses[0])
    labels: list[float | None] = []
    for place in range(len(steps)):
        given = [MARK[m] for one in marked if (m := one.answer.marks[place]) is not None]
        labels.append(sum(given) / len(given) if given else None)
    row = {"prompt": asked.prompt, "completions": list(steps), "labels": labels}
    if asked.models[0] is not None:
        row["model"] = asked.models[0]
    return {
        **row,
        **origin_columns(asked, marked, source_of(marked, [o.answer.marks for o in marked])),
    }


STEPS = Kind(
    name="steps",
    title="Mark each step",
    question=StepsQuestion,
    answer=StepsAnswer,
    responses=(1, 1),
    measures=lambda _: (Measure("step", "ordinal"),),
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("reward_model/process",),
)
