"""Order cards: which fields there are, which values they take, and which split a card is in."""

import hashlib
from collections.abc import Mapping

from preftune.worlds.dice import Dice


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIELDS: dict[str, tuple[str, ...]] = {
    "item": _words("lamp chair table kettle clock jacket rug mirror bag radio tent bike"),
    "color": _words("red blue green black white yellow brown grey pink purple"),
    "size": _words("tiny small medium large huge giant"),
    "city": _words("oslo paris rome lima cairo delhi tokyo berlin madrid dublin vienna boston"),
    "status": _words("packed shipped delayed paused waiting loaded sorted booked"),
    "day": _words("monday tuesday wednesday thursday friday saturday sunday"),
    "carrier": _words("falcon comet bison rocket arrow tiger eagle pony"),
    "payment": _words("cash credit debit voucher transfer wallet cheque points"),
    "price": _words("15 20 25 30 35 40 45 50 60 70 80 90"),
    "quantity": _words("two three four five six seven eight nine"),
}
"""The fields a card may have. No value belongs to two fields, so a word names its field."""

FIELD_OF: dict[str, str] = {value: field for field, values in FIELDS.items() for value in values}

NAMES: tuple[str, ...] = _words("anna ben carla david emma frank gina henry irene jack kate leo")
"""Other customers, whose data the desk must not give away."""

FEWEST, MOST = 4, 6
"""How many of the ten fields a card shows."""

SHARES: dict[str, int] = {
    "test": 10,
    "validation": 10,
    "train": 20,
    "demonstrations": 10,
    "demonstrations_validation": 5,
    "documents": 45,
}
"""Percent of all possible cards that belong to each part of the world's data."""

Card = dict[str, str]


def draw_card(dice: Dice) -> Card:
    """A card with 4 to 6 fields in random order."""
    fields = dice.some(tuple(FIELDS), dice.pick(range(FEWEST, MOST + 1)))
    return {field: dice.pick(FIELDS[field]) for field in fields}


def key(card: Mapping[str, str]) -> str:
    """What makes two cards the same order: fields and values, whatever their order."""
    return "|".join(f"{field} {card[field]}" for field in sorted(card))


def part_of(card: Mapping[str, str]) -> str:
    """The part of the data that owns this card: a pure function of the card, for every seed.

    So the splits share no card, and asking for more texts of one part changes no other part.
    """
    place = int.from_bytes(hashlib.sha256(key(card).encode()).digest()[:4], "big") % 100
    for part, share in SHARES.items():
        place -= share
        if place < 0:
            return part
    raise AssertionError("the shares sum to 100")


def render(card: Mapping[str, str]) -> str:
    """The first line of a prompt: ``order | item lamp | color red``."""
    return " | ".join(["order", *(f"{field} {value}" for field, value in card.items())])
