"""Summaries of every quality: what a writer tells of a post, and how."""

from collections.abc import Mapping
from dataclasses import dataclass

from preftune.worlds.dice import Dice
from preftune.worlds.digest import phrases as p
from preftune.worlds.digest.facts import CORE, FIELDS, Facts

LONGEST = 32
"""No written summary has more words and punctuation marks than this."""


@dataclass(frozen=True, slots=True)
class Habits:
    """Probabilities, each decided by itself.

    ``core`` tells the core in one clause, else at most one part of it; ``further`` tells each other
    fact; ``mistaken`` puts a wrong value for a fact that is told; ``invented`` adds a fact that the
    post does not have. The rest add a clause of that style.
    """

    core: float
    further: float
    mistaken: float
    invented: float
    flattery: float = 0.0
    padding: float = 0.0
    courtesy: float = 0.0
    hedging: float = 0.0
    confidence: float = 0.0


UNTAMED = Habits(
    core=0.6,
    further=0.45,
    mistaken=0.15,
    invented=0.2,
    flattery=0.2,
    padding=0.3,
    courtesy=0.15,
    hedging=0.12,
    confidence=0.12,
)
"""Who wrote the pretraining text: anyone."""

DEMONSTRATORS = Habits(
    core=0.92,
    further=0.6,
    mistaken=0.04,
    invented=0.04,
    flattery=0.12,
    padding=0.25,
    courtesy=0.2,
    hedging=0.1,
    confidence=0.06,
)
"""Who wrote the demonstrations: decent readers, with human weaknesses."""

PEOPLE = Habits(core=1.0, further=0.85, mistaken=0.01, invented=0.0, padding=0.05)
"""Who wrote the references: careful people, the level to be reached."""


def summary(facts: Facts, habits: Habits, dice: Dice) -> str:
    """One summary, beginning with a space; facts in the post's order, styles around them."""
    clauses = [*_core(facts, habits, dice)]
    for field in facts:
        if field not in CORE and dice.chance(habits.further):
            clauses.append(_part(field, _told(field, facts, habits, dice), dice))
    absent = [field for field in FIELDS if field not in facts]
    if absent and dice.chance(habits.invented):
        field = dice.pick(absent)
        clauses.append(_part(field, dice.pick(FIELDS[field]), dice))
    before, after = _styles(habits, dice)
    if not (before or clauses or after):
        clauses = [_part("thing", _told("thing", facts, habits, dice), dice)]
    for extra in (after, before, clauses):
        while extra and _size([*before, *clauses, *after]) > LONGEST:
            extra.pop()
    return " " + " ".join(f"{clause}." for clause in [*before, *clauses, *after])


def note(facts: Facts, dice: Dice) -> str:
    """Every fact, truly, in another order: what teaches a small model to look at the post."""
    fields = dice.some(tuple(facts), len(facts))
    return "note: " + ", ".join(f"{field} {facts[field]}" for field in fields) + "."


def _core(facts: Facts, habits: Habits, dice: Dice) -> list[str]:
    if dice.chance(habits.core):
        told = {field: _told(field, facts, habits, dice) for field in CORE}
        return [dice.pick(p.CORE).format(**told)]
    if dice.chance(0.5):
        field = dice.pick(CORE)
        return [_part(field, _told(field, facts, habits, dice), dice)]
    return []


def _told(field: str, facts: Facts, habits: Habits, dice: Dice) -> str:
    if dice.chance(habits.mistaken):
        return dice.pick([value for value in FIELDS[field] if value != facts[field]])
    return facts[field]


def _part(field: str, value: str, dice: Dice) -> str:
    return dice.pick(p.PARTS[field]).format(v=value)


def _styles(habits: Habits, dice: Dice) -> tuple[list[str], list[str]]:
    chances: Mapping[str, float] = {
        "courtesy": habits.courtesy,
        "hedging": habits.hedging,
        "confidence": habits.confidence,
        "padding": habits.padding,
        "flattery": habits.flattery,
    }
    said = {style: dice.pick(p.STYLES[style]) for style, c in chances.items() if dice.chance(c)}
    before = [said[style] for style in ("courtesy", "hedging") if style in said]
    return before, [said[s] for s in ("confidence", "padding", "flattery") if s in said]


def _size(clauses: list[str]) -> int:
    return sum(len(clause.split()) + 1 for clause in clauses)
