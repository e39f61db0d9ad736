"""Rewrite: the labeler mends a response; the old text, the new one and the difference are kept."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from pydantic import Field, model_validator

from preftune.feedback.kinds.demonstration import length_fault
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


class RewriteQuestion(Question):
    min_words: int = Field(default=1, ge=1)
    max_words: int = Field(default=2_000, ge=1)


class RewriteAnswer(Answer):
    text: LongText | None = None
    """The whole new text; the same as the old one says that nothing needed mending."""
    pasted: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _nothing_pasted_beside_a_reason(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("cannot_judge") is not None:
            return {**given, "pasted": 0}
        return given


def changes(before: str, after: str) -> list[dict[str, str]]:
    """The difference by words: ``{"keep" | "delete" | "insert": words}`` in reading order.

    Joining the kept and deleted words gives the old text, kept and inserted the new one, up to
    the width of spaces.
    """
    old, new = before.split(), after.split()
    parts: list[dict[str, str]] = []
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            parts.append({"keep": " ".join(old[i:i_end])})
            continue
        if i < i_end:
            parts.append({"delete": " ".join(old[i:i_end])})
        if j < j_end:
            parts.append({"insert": " ".join(new[j:j_end])})
    return parts


def changed_share(before: str, after: str) -> float:
    """1 − 2 · kept / (old words + new words): 0 for the same words, 1 for none in common."""
    return 1 - SequenceMatcher(a=before.split(), b=after.split(), autojunk=False).ratio()


def _check(question: RewriteQuestion, answer: RewriteAnswer, _: Sequence[str]) -> str:
    if answer.cannot_judge is None:
        fault = length_fault(answer.text, question.min_words, question.max_words)
        if fault:
            return fault
    return extras_fault(question, answer)


def _values(
    _: RewriteQuestion, answer: RewriteAnswer, responses: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    if answer.text is None:
        return {}
    share = changed_share(responses[0], answer.text)
    return {"mended": {"": float(share > 0)}, "changed_share": {"": share}}


def _matches(_: RewriteQuestion, answer: RewriteAnswer, gold: RewriteAnswer) -> bool:
    return (answer.text or "").split() == (gold.text or "").split()


def _rows(
    _: RewriteQuestion, asked: Asked, said: Sequence[Said], how: How, belief: Belief | None
) -> list[dict[str, Any]]:
    """A pair for each rewrite that changed something: the new text over the old."""
    rows = []
    for one in said:
        text = one.answer.text
        if not text or text.split() == asked.responses[0].split():
            continue
        row = {
            "prompt": asked.prompt,
            "chosen": text,
            "rejected": asked.responses[0],
            "changes": changes(asked.responses[0], text),
            **origin_columns(asked, [one], source_of([one], [text])),
            **voter_columns(one),
        }
        if asked.models[0] is not None:
            row["model_rejected"] = asked.models[0]
        rows.append(row)
    return rows


REWRITE = Kind(
    name="rewrite",
    title="Mend the response",
    question=RewriteQuestion,
    answer=RewriteAnswer,
    responses=(1, 1),
    measures=lambda _: (Measure("mended", "nominal"), Measure("changed_share", "interval")),
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("dpo", "reward_model/bradley_terry", "orpo"),
    hows=("per_vote",),
)
