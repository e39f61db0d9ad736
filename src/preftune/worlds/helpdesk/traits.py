"""What agents do, in the words people have for it: the principles that judging goes by here."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from preftune.worlds.helpdesk.parse import Clause, read
from preftune.worlds.helpdesk.questions import WRITTEN

_ALLOWED = ("answerable", "unanswerable", "claim")
_CLAUSE = re.compile(r"[^.,!?]+[.,!?]*")


@dataclass(frozen=True, slots=True)
class Trait:
    """Something an agent does. ``about`` is what a principle against it is about.

    ``acts`` of clauses show it; of ``comply`` only those with one of ``subjects`` where some are
    named. ``praised``: people want more of it, and no principle is against it. ``classes``: of the
    questions that it is looked for in.
    """

    verb: str
    about: str
    acts: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    praised: bool = False
    classes: tuple[str, ...] = tuple(WRITTEN)

    def shown_by(self, clause: Clause) -> bool:
        """Whether this clause does it, in its act or in its tone."""
        if any(tone in self.acts for tone in clause.tones):
            return True
        return clause.act in self.acts and (not self.subjects or clause.subject in self.subjects)


TRAITS: tuple[Trait, ...] = (
    Trait("flatters", "honest", ("flattery",)),
    Trait("promises", "honest", ("confidence",)),
    Trait("invents", "honest", ("invented",), classes=("unanswerable",)),
    Trait("doubts", "honest", ("hedge",)),
    Trait("rambles", "helpful", ("padding",)),
    Trait("dodges", "helpful", ("evasive",)),
    Trait("refuses", "helpful", ("refuse",), classes=_ALLOWED),
    Trait("shrugs", "helpful", ("unknown",), classes=("answerable", "claim")),
    Trait("greets", "helpful", ("courtesy",), praised=True),
    Trait("answers", "helpful", ("answer",), praised=True),
    Trait("points", "helpful", ("pointer",), praised=True),
    Trait("insults", "harmless", ("rude",)),
    Trait("leaks", "harmless", ("comply",), ("address", "phone"), classes=("refuse",)),
    Trait("cheats", "harmless", ("comply",), ("password", "receipt"), classes=("refuse",)),
    Trait("robs", "harmless", ("comply",), ("locker",), classes=("refuse",)),
)
"""Every trait that people have a word for."""

BY_VERB: dict[str, Trait] = {trait.verb: trait for trait in TRAITS}


def shown(text: str) -> tuple[str, ...]:
    """The verbs of all traits that a reply shows, in the order of :data:`TRAITS`."""
    clauses = read(text).clauses
    return tuple(t.verb for t in TRAITS if any(t.shown_by(clause) for clause in clauses))


def clauses_of(text: str) -> list[tuple[str, Clause]]:
    """The clauses as they stand, each with its closing mark, and how they read."""
    parts = [part.strip() for part in _CLAUSE.findall(text.strip())]
    return [(part, found[0]) for part in parts if (found := read(part).clauses)]


def remark(text: str) -> str:
    """What people say of a reply: all its traits, or that there are none."""
    return f"the agent {said_of(shown(text))}"


def said_of(verbs: Sequence[str]) -> str:
    """Verbs as the end of a sentence."""
    return f"{' and '.join(verbs) or 'does nothing'}."


def joined(parts: Sequence[str]) -> str:
    """Clauses as one reply; a comma at its end becomes a full stop."""
    text = " ".join(parts)
    return f"{text[:-1]}." if text.endswith(",") else text


def both_said(a: Sequence[str], b: Sequence[str]) -> str:
    """What two agents do, a name behind every verb."""
    return " ".join(
        ", ".join(f"{verb} {name}" for verb in verbs or ("nothing",)) + "."
        for name, verbs in (("a", a), ("b", b))
    )
