"""A constitution: the principles AI feedback goes by, in a file people can read and change."""

import hashlib
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from preftune.records import BadInput

DEFAULT = "default"


class Principle(BaseModel):
    """One principle. ``about`` groups principles: helpful, honest, harmless."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    about: str = Field(min_length=1)
    critique: str = Field(min_length=1)
    """What a model is asked to find in its own response."""
    revision: str = Field(min_length=1)
    """What it is then asked to write."""
    comparison: str = Field(min_length=1)
    """The question by which two responses are compared."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    version: int = Field(ge=1)
    principles: tuple[Principle, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> "_File":
        seen: set[str] = set()
        for principle in self.principles:
            if principle.id in seen:
                raise ValueError(f"two principles are called {principle.id!r}")
            seen.add(principle.id)
        return self


@dataclass(frozen=True, slots=True)
class Constitution:
    """Principles, and the hash of the file they were read from."""

    name: str
    version: int
    principles: tuple[Principle, ...]
    sha256: str

    def about(self, *subjects: str) -> "Constitution":
        """The same with these subjects' principles only. Raises :class:`BadInput` for none."""
        kept = tuple(p for p in self.principles if p.about in subjects)
        if not kept:
            known = sorted({p.about for p in self.principles})
            raise BadInput(
                f"The constitution {self.name!r} has no principle about {' or '.join(subjects)}.",
                remedy=f"It has principles about {', '.join(known)}.",
            )
        return Constitution(self.name, self.version, kept, self.sha256)

    def without(self, *ids: str) -> "Constitution":
        """The same less some principles. Raises :class:`BadInput` for one it does not have."""
        known = {p.id for p in self.principles}
        strange = sorted(set(ids) - known)
        if strange or known <= set(ids):
            raise BadInput(
                f"The constitution {self.name!r} has no principle {strange[0]!r}."
                if strange
                else "Without these principles nothing is left of the constitution.",
                remedy=f"It has {', '.join(sorted(known))}.",
            )
        kept = tuple(p for p in self.principles if p.id not in ids)
        return Constitution(self.name, self.version, kept, self.sha256)

    def draw(self, count: int, rng: np.random.Generator) -> list[Principle]:
        """``count`` principles at random, each draw from all of them (Bai et al. 2022, §3.1)."""
        places = rng.integers(len(self.principles), size=count)
        return [self.principles[place] for place in places]


def load_constitution(source: str | Path = DEFAULT) -> Constitution:
    """The constitution ``default`` of the package, or a TOML file's.

    Raises :class:`BadInput` with the file, and the line where TOML itself is broken.
    """
    packaged = Path(str(files("preftune.judging"))) / "constitutions" / f"{DEFAULT}.toml"
    path = packaged if str(source) == DEFAULT else Path(source)
    if not path.is_file():
        raise BadInput("There is no such constitution.", file=path, remedy="Name a TOML file.")
    content = path.read_bytes()
    try:
        read = _File.model_validate(tomllib.loads(content.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"This is no TOML: {error}.", file=path) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the constitution"
        raise BadInput(
            f"{place}: {first['msg'].removeprefix('Value error, ')}.",
            file=path,
            remedy="A principle has id, about, critique, revision and comparison.",
        ) from None
    return Constitution(
        read.name, read.version, read.principles, hashlib.sha256(content).hexdigest()
    )
