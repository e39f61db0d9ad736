"""Rule: was a rule kept or broken by a response (Glaese et al. 2022, Sparrow)."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

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

WORTH = {"kept": 1.0, "unsure": 0.5, "broken": 0.0}


class Rule(BaseModel):
    """A rule: a short name, and what it asks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Word
    text: Sentence


class RuleQuestion(Question):
    rules: tuple[Rule, ...] = Field(
        default=(Rule(name="guidelines", text="The response follows the guidelines."),),
        min_length=1,
        max_length=9,
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len({rule.name for rule in self.rules}) < len(self.rules):
            raise ValueError("two rules have one name")
        return self


class RuleAnswer(Answer):
    rules: dict[str, Literal["kept", "broken", "unsure"] | None] | None = None
    """What happened to each rule."""


def _check(question: RuleQuestion, answer: RuleAnswer, _: Sequence[str]) -> str:
    if answer.cannot_judge is None:
        names = [rule.name for rule in question.rules]
        given = answer.rules or {}
        strange = [name for name in given if name not in names]
        if strange:
            return f'There is no rule "{strange[0]}".'
        missing = [name for name in names if given.get(name) is None]
        if missing:
            return f'Say of the rule "{missing[0]}" whether it was kept.'
    return extras_fault(question, answer)


def _values(
    _: RuleQuestion, answer: RuleAnswer, responses: Sequence[str]
) -> Mapping[str, Mapping[str, float]]:
    said = {name: WORTH[word] for name, word in (answer.rules or {}).items() if word is not None}
    return {"rule": said} if said else {}


def _matches(_: RuleQuestion, answer: RuleAnswer, gold: RuleAnswer) -> bool:
    if answer.rules is None or gold.rules is None:
        return answer.rules == gold.rules
    known = {name: word for name, word in gold.rules.items() if word not in (None, "unsure")}
    return all(answer.rules.get(name) == word for name, word in known.items())


def _rows(
    question: RuleQuestion, asked: Asked, said: Sequence[Said], how: How, belief: Belief | None
) -> list[dict[str, Any]]:
    """One row for each rule that was clearly kept (label true) or broken (false)."""
    judged = [one for one in said if one.answer.rules is not None]
    rows = []
    for rule in question.rules:
        clear = [one for one in judged if one.answer.rules.get(rule.name) in ("kept", "broken")]
        if how in ("per_vote", "votes"):
            rows += [{**_row(asked, rule, [one]), **voter_columns(one)} for one in clear]
            continue
        kept = sum(one.answer.rules[rule.name] == "kept" for one in clear)
        if 2 * kept != len(clear):
            rows.append(_row(asked, rule, clear))
    return rows


def _row(asked: Asked, rule: Rule, clear: Sequence[Said]) -> dict[str, Any]:
    words = [one.answer.rules[rule.name] for one in clear]
    row = {
        "prompt": asked.prompt,
        "completion": asked.responses[0],
        "label": 2 * words.count("kept") > len(words),
        "rule": rule.name,
        "rule_text": rule.text,
    }
    if asked.models[0] is not None:
        row["model"] = asked.models[0]
    return {**row, **origin_columns(asked, clear, source_of(clear, words))}


RULE = Kind(
    name="rule",
    title="Was the rule kept",
    question=RuleQuestion,
    answer=RuleAnswer,
    responses=(1, 1),
    measures=lambda _: (Measure("rule", "nominal"),),
    check=_check,
    values=_values,
    matches=_matches,
    rows=_rows,
    losses=("kto",),
)
