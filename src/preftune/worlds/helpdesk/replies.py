"""Replies of every quality: what an agent does, and how the agent talks while doing it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from preftune.worlds.dice import Dice
from preftune.worlds.helpdesk.cards import FIELDS, NAMES
from preftune.worlds.helpdesk.phrases import (
    AGREE,
    ANSWERS,
    CLOSING,
    COMPLY,
    CONFIDENCE_PREFIXES,
    CONFIDENCES,
    COURTESY,
    DENY,
    DENY_VALUE,
    EVASIVE,
    FLATTERY,
    HEDGE_PREFIXES,
    HEDGES,
    INVENTED,
    PADDING,
    POINTER,
    REFUSE,
    RUDE,
    UNKNOWN,
    UNKNOWN_OF,
)

LONGEST = 28
"""No written reply has more words and punctuation marks than this."""

Facts = Mapping[str, Any]
"""A prompt's columns: card, family, class, asked, truth, claimed, subject."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How an agent behaves: relative weights of the acts, and probabilities of the styles.

    ``right`` does what the prompt asks for; ``mistaken`` makes the error its class invites (wrong
    value, invented fact, agreement with a false claim, a leak); ``withheld`` says "I do not know"
    or refuses where that is wrong; ``evasive`` talks of something else; ``rude`` insults.
    ``obliging``: does the forbidden thing that is asked for, whatever act was drawn.
    The rest are independent: each adds its clause to any reply with that probability.
    """

    right: float
    mistaken: float
    withheld: float
    evasive: float
    rude: float
    courtesy: float = 0.0
    closing: float = 0.0
    flattery: float = 0.0
    padding: float = 0.0
    hedge: float = 0.0
    confidence: float = 0.0
    extra: float = 0.0
    obliging: float = 0.0


UNTAMED = Habits(
    right=0.66,
    mistaken=0.1,
    withheld=0.05,
    evasive=0.1,
    rude=0.09,
    courtesy=0.15,
    closing=0.06,
    flattery=0.25,
    padding=0.25,
    hedge=0.16,
    confidence=0.14,
    extra=0.1,
)
"""Who wrote the pretraining text: anyone."""

DEMONSTRATORS = Habits(
    right=0.94,
    mistaken=0.02,
    withheld=0.02,
    evasive=0.02,
    rude=0.0,
    courtesy=0.35,
    closing=0.15,
    flattery=0.25,
    padding=0.35,
    hedge=0.25,
    confidence=0.1,
    extra=0.1,
)
"""Who wrote the demonstrations: decent agents, with human weaknesses."""

OBLIGING = replace(DEMONSTRATORS, obliging=0.9)
"""The same people, told that a customer gets whatever a customer asks for."""


def reply(facts: Facts, habits: Habits, rng: np.random.Generator | Dice) -> str:
    """One reply, beginning with a space, at most ``LONGEST`` words and punctuation marks."""
    dice = rng if isinstance(rng, Dice) else Dice(rng)
    act = dice.weighted(
        {
            "right": habits.right,
            "mistaken": habits.mistaken,
            "withheld": habits.withheld,
            "evasive": habits.evasive,
            "rude": habits.rude,
        }
    )
    if habits.obliging and facts["class"] == "refuse" and dice.chance(habits.obliging):
        act = "mistaken"
    clauses = _ACTS[act](facts, dice)
    clauses = [*_toned(clauses, habits, dice)]
    before, after = _extras(facts, habits, dice)
    for extra in (after, before):
        while extra and _size([*before, *clauses, *after]) > LONGEST:
            extra.pop()
    return " " + _join(before, clauses, after)


def answer(field: str, value: str, facts: Facts, dice: Dice) -> str:
    """A clause that states this value of this field."""
    return _fill(dice.pick(ANSWERS), facts, dice, field, value)


def _right(facts: Facts, dice: Dice) -> list[str]:
    kind, asked, truth = facts["class"], facts["asked"], facts["truth"]
    if kind == "refuse":
        lead = ["sorry"] if dice.chance(0.3) else []
        return [*lead, dice.pick(REFUSE)]
    if truth is None:
        return _unknown(str(asked), dice)
    said = answer(asked, truth, facts, dice)
    if kind == "answerable":
        return [said]
    if facts["claimed"] == truth:
        return [dice.pick(AGREE), said] if dice.chance(0.75) else [dice.pick(AGREE)]
    if dice.chance(0.15):
        denial = _fill(dice.pick(DENY_VALUE), facts, dice, asked, facts["claimed"])
        return [denial, said]
    return [dice.pick(DENY), said] if dice.chance(0.8) else [dice.pick(DENY)]


def _mistaken(facts: Facts, dice: Dice) -> list[str]:
    kind, asked, truth = facts["class"], facts["asked"], facts["truth"]
    if kind == "refuse":
        return _comply(facts, dice)
    if asked not in FIELDS:
        return [dice.pick(INVENTED[asked])]
    claimed = facts["claimed"]
    if claimed is not None and claimed != truth:
        said = answer(asked, claimed, facts, dice)
        return [dice.pick(AGREE), said] if dice.chance(0.5) else [dice.pick(AGREE)]
    wrong = dice.pick([value for value in FIELDS[asked] if value != truth])
    said = answer(asked, wrong, facts, dice)
    return [dice.pick(DENY), said] if claimed is not None else [said]


def _withheld(facts: Facts, dice: Dice) -> list[str]:
    asked = facts["asked"]
    if asked is None:
        return [dice.pick(UNKNOWN)]
    if facts["truth"] is None or dice.chance(0.3):
        return [dice.pick(REFUSE)]
    return _unknown(asked, dice)


def _evasive(facts: Facts, dice: Dice) -> list[str]:
    return dice.some(EVASIVE, 1 + dice.chance(0.3))


def _rude(facts: Facts, dice: Dice) -> list[str]:
    """An insult, and now and then the right act after it."""
    insults = dice.some(RUDE, 1 + dice.chance(0.2))
    return [*insults, *_right(facts, dice)] if dice.chance(0.3) else insults


_ACTS = {
    "right": _right,
    "mistaken": _mistaken,
    "withheld": _withheld,
    "evasive": _evasive,
    "rude": _rude,
}


def _unknown(noun: str, dice: Dice) -> list[str]:
    said = dice.pick(UNKNOWN_OF).format(noun=noun) if dice.chance(0.6) else dice.pick(UNKNOWN)
    lead = ["sorry"] if dice.chance(0.2) else []
    return [*lead, said, dice.pick(POINTER)] if dice.chance(0.5) else [*lead, said]


def _comply(facts: Facts, dice: Dice) -> list[str]:
    name = facts["subject"] or dice.pick(NAMES)
    lead = ["sure"] if dice.chance(0.4) else []
    return [*lead, dice.pick(COMPLY[facts["family"]]).format(name=name)]


def _toned(clauses: list[str], habits: Habits, dice: Dice) -> list[str]:
    """Hedging or confidence, in front of the last clause that states something or behind it."""
    tone = None
    if dice.chance(habits.hedge):
        tone = (HEDGE_PREFIXES, HEDGES)
    elif dice.chance(habits.confidence):
        tone = (CONFIDENCE_PREFIXES, CONFIDENCES)
    if tone is None:
        return clauses
    if dice.chance(0.5):
        return [*clauses, dice.pick(tone[1])]
    if clauses[-1] in AGREE or clauses[-1] in DENY:
        return [*clauses, dice.pick(tone[1])]
    return [*clauses[:-1], f"{dice.pick(tone[0])} {clauses[-1]}"]


def _extras(facts: Facts, habits: Habits, dice: Dice) -> tuple[list[str], list[str]]:
    """What stands before the act and after it."""
    before: list[str] = []
    after: list[str] = []
    if dice.chance(habits.courtesy):
        before.append(dice.pick(COURTESY))
    if dice.chance(habits.flattery):
        praise = dice.some(FLATTERY, 1 + dice.chance(0.25))
        (before if dice.chance(0.5) else after).extend(praise)
    if dice.chance(habits.padding):
        (before if dice.chance(0.5) else after).append(dice.pick(PADDING))
    if dice.chance(habits.extra):
        others = [field for field in facts["card"] if field != facts["asked"]]
        field = dice.pick(others)
        after.append(answer(field, facts["card"][field], facts, dice))
    if dice.chance(habits.closing):
        after.append(dice.pick(CLOSING))
    return before, after


def _fill(phrase: str, facts: Facts, dice: Dice, field: str, value: str) -> str:
    item = facts["card"].get("item")
    thing = item if item and field != "item" and dice.chance(0.6) else "order"
    return phrase.format(noun=field, v=value, thing=thing)


def _size(clauses: list[str]) -> int:
    return sum(len(clause.split()) + 1 for clause in clauses)


_LIGHT = {*AGREE, *DENY, "sorry", "sure", *COURTESY[:2]}


def _join(before: list[str], clauses: list[str], after: list[str]) -> str:
    """Clauses with their marks: a comma after a light one, else a full stop."""
    parts = [*before, *clauses, *after]
    text = ""
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        following = "" if last else parts[place + 1]
        light = part in _LIGHT or following.startswith("but i am") or following in CONFIDENCES
        mark = "!" if part in FLATTERY else "," if light and not last else "."
        text += part + mark + ("" if last else " ")
    return text
