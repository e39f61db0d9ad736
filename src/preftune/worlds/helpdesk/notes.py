"""Order notes: the card read back. They teach a small model to look at the card.

Questions and answers alone show one field of a card a document, and a third of the answers are
wrong: a transformer of a million parameters then learns how agents talk, and not that the card
matters, within the few million tokens it gets. A note repeats every field, truly.
"""

from collections.abc import Mapping

from preftune.worlds.dice import Dice
from preftune.worlds.helpdesk.replies import answer

PLAIN = 0.5
"""Share of the notes that list fields and values; the others tell them in sentences."""


def note(card: Mapping[str, str], dice: Dice) -> str:
    """What is noted under a card: all its fields, in another order."""
    fields = dice.some(tuple(card), len(card))
    if dice.chance(PLAIN):
        said = ", ".join(f"{field} {card[field]}" for field in fields) + "."
    else:
        facts = {"card": card}
        said = " ".join(answer(field, card[field], facts, dice) + "." for field in fields)
    return f"note: {said}"
