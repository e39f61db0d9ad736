"""Deterministic rules as scores: 0 to 1 for a response, or None where a rule does not apply."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from preftune.recipe.rules import Rule
from preftune.records import Axes, Completion
from preftune.rewards.rules_answers import exact, majority, numeric, worked_steps
from preftune.rewards.rules_code import code
from preftune.rewards.rules_evidence import supported
from preftune.rewards.rules_structure import json_schema, rouge
from preftune.rewards.rules_text import in_language, length, matching, phrases, searching

Judge = Callable[[Sequence[Completion], Any], list[float | None]]
RULES: dict[str, Judge] = {
    "format": matching,
    "regex": searching,
    "length": length,
    "language": in_language,
    "phrases": phrases,
    "json_schema": json_schema,
    "exact": exact,
    "numeric": numeric,
    "majority": majority,
    "steps": worked_steps,
    "supported": supported,
    "rouge": rouge,
    "code": code,
}
"""What each kind of rule does with a batch of completions and its settings."""


@dataclass(frozen=True, slots=True)
class RuleScore:
    """A rule as a :class:`preftune.records.Score` on one axis, ``score``."""

    rule: Rule

    @property
    def origin(self) -> str:
        return "rule"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        values = RULES[self.rule.kind](completions, self.rule)
        return [None if value is None else {"score": value} for value in values]
