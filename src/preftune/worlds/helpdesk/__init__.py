"""The built-in world: a shop's help desk in plain English, with an exact judge."""

from preftune.worlds.helpdesk.judge import (
    AXES,
    TASTES,
    TIE_WIDTH,
    WEIGHTS,
    GoldJudge,
)
from preftune.worlds.helpdesk.questions import CLASSES, FAMILIES
from preftune.worlds.helpdesk.replies import DEMONSTRATORS, LONGEST, UNTAMED, Habits, reply
from preftune.worlds.helpdesk.texts import generate
from preftune.worlds.helpdesk.traits import TRAITS, Trait, remark

__all__ = [
    "AXES",
    "CLASSES",
    "DEMONSTRATORS",
    "FAMILIES",
    "TASTES",
    "TIE_WIDTH",
    "TRAITS",
    "UNTAMED",
    "WEIGHTS",
    "LONGEST",
    "GoldJudge",
    "Habits",
    "Trait",
    "generate",
    "remark",
    "reply",
]
