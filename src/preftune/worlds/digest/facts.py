"""What a post tells: its fields, their values, and which part of the data a story belongs to."""

import hashlib
from collections.abc import Mapping

from preftune.worlds.dice import Dice


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIELDS: dict[str, tuple[str, ...]] = {
    "who": _words("brother sister boss neighbor cousin uncle teacher roommate landlord friend"),
    "deed": _words("lost sold found broke bought borrowed painted hid stole fixed"),
    "thing": _words("bike guitar ring camera wallet kettle tent mirror piano boat"),
    "place": _words("oslo paris rome lima cairo delhi tokyo berlin madrid dublin"),
    "day": _words("monday tuesday wednesday thursday friday saturday sunday"),
    "reason": _words("money noise rain love luck fear hunger boredom envy pride"),
    "price": _words("15 20 25 30 35 40 45 50 60 70 80 90"),
    "feeling": _words("angry happy sad proud tired worried calm ashamed"),
    "plan": _words("wait move apologize complain travel listen leave sing"),
}
"""The facts a post may tell. No value belongs to two fields, so a word names its field."""

FIELD_OF: dict[str, str] = {value: field for field, values in FIELDS.items() for value in values}

CORE: tuple[str, ...] = ("who", "deed", "thing")
"""In every post: who did what to which thing."""

WEIGHTS: dict[str, float] = {field: 2.0 if field in CORE else 1.0 for field in FIELDS}
"""How much a fact counts towards coverage."""

FEWEST, MOST = 1, 3
"""How many facts a post tells beside the core."""

SHARES: dict[str, int] = {
    "test": 10,
    "validation": 10,
    "train": 20,
    "demonstrations": 10,
    "demonstrations_validation": 5,
    "documents": 45,
}
"""Percent of all possible stories that belong to each part of the world's data."""

Facts = Mapping[str, str]


def draw_facts(dice: Dice) -> dict[str, str]:
    """The core and one to three further facts, in random order after the core."""
    further = [field for field in FIELDS if field not in CORE]
    fields = [*CORE, *dice.some(further, dice.pick(range(FEWEST, MOST + 1)))]
    return {field: dice.pick(FIELDS[field]) for field in fields}


def key(facts: Facts) -> str:
    """What makes two posts the same story: fields and values, whatever their order."""
    return "|".join(f"{field} {facts[field]}" for field in sorted(facts))


def part_of(facts: Facts) -> str:
    """The part of the data that owns this story: a pure function of it, for every seed."""
    digest = hashlib.sha256(f"digest|{key(facts)}".encode()).digest()
    place = int.from_bytes(digest[:4], "big") % 100
    for part, share in SHARES.items():
        place -= share
        if place < 0:
            return part
    raise AssertionError("the shares sum to 100")
