"""The words judges are asked with: text files with a version, filled in so that nothing breaks out.

What people and models wrote stands between marks that are drawn from the material itself, so no
text can close its own section; and a text is never searched for placeholders.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from preftune.records import BadInput, Prompt, Text

PLACE = re.compile(r"\{\{(\w+)\}\}")
ROLES = {"user": "User", "assistant": "Assistant", "system": "System"}


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with named places, ``{{name}}``. ``name`` is its file's: ``pairwise.v1``."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def places(self) -> frozenset[str]:
        return frozenset(PLACE.findall(self.text))

    def fill(self, **values: str) -> Prompt:
        """The prompt with every place filled in; ``mark`` is made from the values.

        Raises :class:`BadInput` when a place has no value.
        """
        given = {**values, "mark": _mark(values)}
        missing = sorted(self.places - set(given))
        if missing:
            raise BadInput(
                f"The prompt {self.name!r} has a place {{{{{missing[0]}}}}} that nothing fills.",
                remedy=f"It may use {', '.join(sorted(given))}.",
            )
        return Prompt(PLACE.sub(lambda match: given[match.group(1)], self.text).rstrip("\n"))


def template(name: str) -> Template:
    """One of the package's by name, ``pairwise.v1``, or a file of your own by its path.

    Raises :class:`BadInput`.
    """
    own = Path(name)
    known = packaged_templates()
    if name in known:
        return Template(name, known[name].read_text(encoding="utf-8"))
    if not own.is_file():
        raise BadInput(
            "There is no such judge prompt.",
            file=own,
            remedy=f"Name a file, or one of {', '.join(known)}.",
        )
    return Template(own.name.removesuffix(".txt"), own.read_text(encoding="utf-8"))


def packaged_templates() -> dict[str, Path]:
    """Name → file of the prompts that come with the package."""
    folder = Path(str(files("preftune.judging"))) / "prompts"
    return {path.name.removesuffix(".txt"): path for path in sorted(folder.glob("*.txt"))}


def transcript(text: Text) -> str:
    """A prompt as a judge reads it: the turns with who speaks, or the string as it is."""
    if isinstance(text, str):
        return text.strip()
    turns = (f"{ROLES.get(turn.role, turn.role)}: {turn.content}" for turn in text)
    return "\n\n".join(turns)


def _mark(values: Mapping[str, str]) -> str:
    """Eight characters that none of the values contains."""
    ordered = sorted(values.items())
    seed = "\0".join(f"{name}\0{value}" for name, value in ordered)
    mark = ""
    while not mark or any(mark in value for _, value in ordered):
        seed = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()
        mark = seed[:8]
    return mark
