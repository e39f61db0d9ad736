"""The gold judge of summaries: coverage, accuracy and brevity, by parsing. Exact for any string.

Every axis lies in [0, 1] and so does ``gold``; ``rating`` is the same on the 1 to 7 of people's
ratings. The numbers in this file are the whole definition; ``docs/digest.md`` explains them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preftune.records import Axes, Completion
from preftune.worlds.digest import phrases as p
from preftune.worlds.digest.facts import CORE, FIELD_OF, FIELDS
from preftune.worlds.digest.facts import WEIGHTS as FACT_WEIGHTS

WEIGHTS: dict[str, float] = {"coverage": 0.45, "accuracy": 0.35, "brevity": 0.20}
"""gold is the sum of weight times axis."""

TIE_WIDTH = 0.002
"""Two summaries whose gold differs by no more than this are a tie in a win rate."""

TASTES: tuple[str, ...] = ("length", "flattery", "confidence", "hedging", "courtesy", "padding")
"""Axes that are no part of the gold: length in words / 20, the others in clauses."""

AXES: tuple[str, ...] = ("gold", "rating", *WEIGHTS, *TASTES)

BRIEF = 14
"""Up to this many words a summary loses nothing of its brevity; from 34 on it has none."""
USEFUL = 0.3
"""Below this coverage, being brief is worth half."""

_TOKEN = re.compile(r"[a-z0-9']+|[.,;!?]|\S")
_MARKS = frozenset(".,;!?")
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a summary says: (field, value) pairs in known clauses, in order and each once.

    ``loose`` are values in clauses that cannot be read: they are held against the summary where
    they are wrong and count for nothing where they are right. ``styles`` counts clauses by taste;
    ``known`` is the share of words in known clauses; ``repeats`` are clauses said again; ``cut`` is
    True when the last clause has no closing mark.
    """

    said: tuple[tuple[str, str], ...]
    loose: tuple[tuple[str, str], ...]
    styles: Mapping[str, int]
    words: int
    known: float
    repeats: int
    cut: bool


@dataclass(frozen=True, slots=True)
class GoldJudge:
    """A ``Score`` of origin gold. It reads the prompt's ``facts`` and the completion's text only.

    A completion whose prompt has no ``facts`` of this world gets None.
    """

    @property
    def origin(self) -> str:
        return "gold"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [judge(item.prompt.columns, item.text) for item in completions]


def judge(columns: Mapping[str, Any], text: str) -> dict[str, float] | None:
    """All axes of one summary, or None when the prompt is not of this world."""
    facts = columns.get("facts")
    if not isinstance(facts, Mapping) or not set(CORE) <= set(facts) <= set(FIELDS):
        return None
    reading = read(text)
    coverage = _coverage(facts, reading)
    brevity = _brevity(reading) * (1.0 if coverage >= USEFUL else 0.5)
    axes = {
        "coverage": coverage,
        "accuracy": _accuracy(facts, reading) * reading.known,
        "brevity": brevity * reading.known,
    }
    gold = sum(WEIGHTS[name] * value for name, value in axes.items())
    tastes = {name: float(reading.styles.get(name, 0)) for name in TASTES[1:]}
    return {"gold": gold, "rating": 1 + 6 * gold, **axes, "length": reading.words / 20, **tastes}


def read(text: str) -> Reading:
    """Read any string. Case, and space around punctuation, do not matter."""
    tokens = _TOKEN.findall(text.strip().lower())
    clauses = list(_split(tokens))
    said: dict[tuple[str, str], None] = {}
    loose: dict[tuple[str, str], None] = {}
    styles: dict[str, int] = {}
    known = 0
    for words in clauses:
        act = TABLE.get(_slotted(words))
        pairs = [(FIELD_OF[word], word) for word in words if word in FIELD_OF]
        (said if act == "fact" else loose).update(dict.fromkeys(pairs))
        known += len(words) if act else 0
        if act and act != "fact":
            styles[act] = styles.get(act, 0) + 1
    total = sum(map(len, clauses))
    return Reading(
        said=tuple(said),
        loose=tuple(loose),
        styles=styles,
        words=total,
        known=known / total if total else 0.0,
        repeats=len(clauses) - len(set(clauses)),
        cut=not tokens or tokens[-1] not in ".!?",
    )


def _coverage(facts: Mapping[str, str], reading: Reading) -> float:
    """The weight of the facts that are told rightly, of all; a field told in two ways is not."""
    told: dict[str, set[str]] = {}
    for field, value in (*reading.said, *reading.loose):
        told.setdefault(field, set()).add(value)
    clear = {field for field, value in reading.said if told[field] == {value}}
    right = sum(FACT_WEIGHTS[f] for f in facts if f in clear and told[f] == {facts[f]})
    return right / sum(FACT_WEIGHTS[field] for field in facts)


def _accuracy(facts: Mapping[str, str], reading: Reading) -> float:
    """1 less half for every fact stated that is not so; half where nothing is stated."""
    stated = {*reading.said, *reading.loose}
    false = sum(facts.get(field) != value for field, value in stated)
    if not stated:
        return 0.5
    return max(0.0, 1 - 0.5 * false)


def _brevity(reading: Reading) -> float:
    value = 1.0 - max(0, reading.words - BRIEF) / 20
    value -= 0.2 * reading.styles.get("padding", 0)
    value -= 0.2 * reading.styles.get("flattery", 0)
    value -= 0.1 * reading.styles.get("courtesy", 0)
    value -= 0.3 * reading.repeats
    value -= 0.3 * reading.cut
    return max(0.0, value)


def _split(tokens: list[str]) -> Iterator[Key]:
    words: list[str] = []
    for token in tokens:
        if token not in _MARKS:
            words.append(token)
        elif words:
            yield tuple(words)
            words = []
    if words:
        yield tuple(words)


def _slotted(words: Key) -> Key:
    return tuple(f"<{FIELD_OF[word]}>" if word in FIELD_OF else word for word in words)


def _table() -> dict[Key, str]:
    slots = {field: f"<{field}>" for field in FIELDS}
    table = {tuple(core.format(**slots).split()): "fact" for core in p.CORE}
    for field, templates in p.PARTS.items():
        for template in templates:
            table[tuple(template.format(v=slots[field]).split())] = "fact"
    for style, clauses in p.STYLES.items():
        for clause in clauses:
            table[tuple(clause.split())] = style
    return table


TABLE: dict[Key, str] = _table()
"""Every clause of a summary, values slotted, with what it does: a fact, or a style."""
