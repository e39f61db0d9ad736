"""What a guard says, and the numbers it says it of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["ok", "warn", "halt"]
LEVELS: dict[Level, int] = {"ok": 0, "warn": 1, "halt": 2}
"""How a level stands in the metrics file, under ``guards/NAME``."""

Row = Mapping[str, Any]
History = Sequence[Row]
"""A stage's rows of metrics, as ``read_metrics`` gives them: the oldest first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``guard`` is a key of the recipe's ``guards``; ``reason`` a sentence, empty when ok.

    ``evidence`` holds the numbers that decided, by name.
    """

    guard: str
    level: Level
    reason: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "guard": self.guard,
            "level": self.level,
            "reason": self.reason,
            "evidence": dict(self.evidence),
        }


def series(history: History, name: str) -> list[float]:
    """The values of a metric in order; steps without it, or without a finite value, left out."""
    return [float(row[name]) for row in history if row.get(name) is not None]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@dataclass(frozen=True, slots=True)
class Change:
    """A metric then and now: means over the first iterations and over the last ones."""

    before: float
    now: float

    @property
    def rise(self) -> float:
        return self.now - self.before

    @property
    def evidence(self) -> dict[str, float]:
        return {"beginning": self.before, "now": self.now}


def change(values: Sequence[float], start: int, window: int) -> Change | None:
    """None while the two would overlap: then nothing can be said yet."""
    if len(values) < start + window:
        return None
    return Change(mean(values[:start]), mean(values[-window:]))


def graded(value: float, warn: float, halt: float) -> Level:
    """The level of a number that should stay low."""
    if value > halt:
        return "halt"
    return "warn" if value > warn else "ok"
