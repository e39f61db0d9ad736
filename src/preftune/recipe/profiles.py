"""A preference profile: how much each of several named policies or parts of a reward counts.

Written ``helpful=.7,harmless=.3``, after a model's name and an ``@``: ``assistant@helpful=.7``.
"""

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from preftune.records import BadInput, Message, Text

Weights = Mapping[str, float]
"""Shares by name, which add up to 1."""
AT = "@"


@dataclass(frozen=True, slots=True)
class Profiles:
    """Policies tuned from one start, by the name of what each was tuned for."""

    policies: Mapping[str, str]


def profile_of(text: str, known: Sequence[str]) -> dict[str, float]:
    """Weights from ``helpful=.7,harmless=.3``, divided by their sum; 0 for names left out.

    Raises :class:`BadInput` for what is no weight, and for names that are not ``known``.
    """
    found = dict.fromkeys(known, 0.0)
    seen: set[str] = set()
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        weight = _number(number) if equals else None
        if weight is None:
            raise BadInput(
                f"{part.strip()!r} is no weight of a profile.",
                remedy="Write NAME=NUMBER, …, for instance helpful=.7,harmless=.3.",
            )
        if name not in found or name in seen:
            what = "twice in the profile" if name in seen else "nothing this model was tuned for"
            raise BadInput(f"{name!r} is {what}.", remedy=f"There are {', '.join(known)}.")
        found[name] = weight
        seen.add(name)
    total = sum(found.values())
    if total <= 0:
        raise BadInput("All weights of the profile are 0.", remedy="Give one of them more.")
    return {name: weight / total for name, weight in found.items()}


def profile_text(weights: Weights) -> str:
    """``helpful=0.7,harmless=0.3``: at most two digits after the point, in the given order."""
    return ",".join(f"{name}={round(weight, 2):g}" for name, weight in weights.items())


def split_profile(name: str) -> tuple[str, str | None]:
    """A model's name and its profile, None without one."""
    plain, at, profile = name.rpartition(AT)
    return (plain, profile) if at and plain and "=" in profile else (name, None)


def mixes(parts: Sequence[str], steps: int) -> Iterator[dict[str, float]]:
    """Every way to give ``steps`` equal shares to the parts, the first part's least first."""
    for bars in itertools.combinations(range(steps + len(parts) - 1), len(parts) - 1):
        edges = (-1, *bars, steps + len(parts) - 1)
        counts = [after - before - 1 for before, after in itertools.pairwise(edges)]
        yield {name: count / steps for name, count in zip(parts, counts, strict=True)}


def with_weights(text: Text, words: str, weights: Weights) -> Text:
    """A prompt whose first turn of a user begins with what each part counts."""
    return with_said(text, said_as(words, weights))


def with_said(text: Text, said: str) -> Text:
    """The same with words before the first turn of a user."""
    if isinstance(text, str):
        return said + text
    place = _first_user(text)
    turn = text[place]
    return (*text[:place], Message(turn.role, said + turn.content), *text[place + 1 :])


def without_weights(text: Text, words: str, weights: Weights) -> Text:
    """The prompt as it was before :func:`with_weights`."""
    said = said_as(words, weights)
    if isinstance(text, str):
        return text.removeprefix(said)
    place = _first_user(text)
    turn = text[place]
    plain = Message(turn.role, turn.content.removeprefix(said))
    return (*text[:place], plain, *text[place + 1 :])


def said_as(words: str, weights: Weights) -> str:
    """The words of a profile: ``{weights}`` filled in."""
    return words.replace("{weights}", profile_text(weights))


def load_profiles(path: str | Path) -> Profiles:
    """Reads a file with a table ``[policies]`` of names and folders, relative to the file.

    Raises :class:`BadInput`.
    """
    place = Path(path).expanduser()
    try:
        given = tomllib.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"The profiles cannot be read: {error.strerror}.", file=place) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"This is no TOML: {error}.", file=place) from None
    policies = given.get("policies")
    if (
        not isinstance(policies, dict)
        or len(policies) < 2
        or not all(isinstance(value, str) for value in policies.values())
        or set(given) != {"policies"}
    ):
        raise BadInput(
            "Profiles are a table [policies] of at least two names and their folders.",
            file=place,
            remedy='Write for instance helpful = "runs/a/stages/05-helpful".',
        )
    return Profiles(
        {
            name: value if value.startswith("hub:") else str(place.parent / Path(value))
            for name, value in policies.items()
        }
    )


def _first_user(turns: Sequence[Message]) -> int:
    return next((place for place, turn in enumerate(turns) if turn.role == "user"), 0)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
