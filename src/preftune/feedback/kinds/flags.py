"""Flags: what is wrong with a response, each flag with a reason; or nothing is, said aloud."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

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


class FlagsQuestion(Question):
    faults: tuple[Word, ...] = Field(
        default=("false", "harmful", "off_topic", "rude", "private_data"),
        min_length=1,
        max_length=9,
    )
    """What a response can be flagged for."""
    reason_required: bool = True
    """Whether every flag needs a reason in words."""


class Flag(BaseModel):
    """One fault found, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: Word
    reason: Sentence | None = None


class FlagsAnswer(Answer):
    found: tuple[Flag, ...] | None = None
    """The faults found; an empty list says that the response was read and nothing was found."""


def _check(question: FlagsQuestion, answer: FlagsAnswer, _: Sequence[str]) -> str:
    if answer.cannot_judge is not None:
        return extras_fault(question, answer)
    if answer.found is None:
        return "Name the faults, or say that there are none."
    names = [flag.fault for flag in answer.found]
    strange = [name for name in names if name not in question.faults]
    if strange:
        return f'This project has no flag "{strange[0]}".'
    if len(set(names)) < len(names):
        return "One flag is set twice."
    if question.reason_required and any(not flag.reason for flag in answer.found):
        return "Every flag needs a reason."
    return extras_fault(question, answer)


def _values(
    question: FlagsQuestion, answer: FlagsAnswer, _: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    if answer.found is None:
        return {}
    names = {flag.fault for flag in answer.found}
    each = {fault: float(fault in names) for fault in question.faults}
    return {"any": {"": float(bool(names))}, "flag": each}


def _matches(_: FlagsQuestion, answer: FlagsAnswer, gold: FlagsAnswer) -> bool:
    if answer.found is None or gold.found is None:
        return answer.found == gold.found
    return {flag.fault for flag in answer.found} == {flag.fault for flag in gold.found}


def _rows(
    _: FlagsQuestion, asked: Asked, said: Sequence[Said], how: How, belief: Belief | None
) -> list[dict[str, Any]]:
    """Label true where nothing was found; a fault stands when more than half found it."""
    looked = [one for one in said if one.answer.found is not None]
    if how in ("per_vote", "votes"):
        return [{**_row(asked, [one]), **voter_columns(one)} for one in looked]
    return [_row(asked, looked)] if looked else []


def _row(asked: Asked, looked: Sequence[Said]) -> dict[str, Any]:
    found = [{flag.fault for flag in one.answer.found} for one in looked]
    standing = sorted(
        {fault for names in found for fault in names}
        & {f for names in found for f in names if 2 * sum(f in n for n in found) > len(found)}
    )
    row = {
        "prompt": asked.prompt,
        "completion": asked.responses[0],
        "label": not standing,
        "flags": standing,
        "reasons": [
            f"{flag.fault}: {flag.reason}"
            for one in looked
            for flag in one.answer.found
            if flag.fault in standing and flag.reason
        ],
    }
    if asked.models[0] is not None:
        row["model"] = asked.models[0]
    source = source_of(looked, [frozenset(names) for names in found])
    return {**row, **origin_columns(asked, looked, source)}


FLAGS_KIND = Kind(
    name="flags",
    title="Flag what is wrong",
    question=FlagsQuestion,
    answer=FlagsAnswer,
    responses=(1, 1),
    measures=lambda _: (Measure("any", "nominal"), Measure("flag", "nominal")),
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("kto",),
)
