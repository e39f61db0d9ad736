"""A second world: short posts that tell facts, and their summaries, with an exact judge."""

from preftune.worlds.digest.facts import CORE, FIELDS
from preftune.worlds.digest.judge import AXES, TASTES, TIE_WIDTH, WEIGHTS, GoldJudge
from preftune.worlds.digest.summaries import (
    DEMONSTRATORS,
    LONGEST,
    PEOPLE,
    UNTAMED,
    Habits,
    summary,
)
from preftune.worlds.digest.texts import generate

__all__ = [
    "AXES",
    "CORE",
    "DEMONSTRATORS",
    "FIELDS",
    "LONGEST",
    "PEOPLE",
    "TASTES",
    "TIE_WIDTH",
    "UNTAMED",
    "WEIGHTS",
    "GoldJudge",
    "Habits",
    "generate",
    "summary",
]
