"""Critique and revision: a model finds fault with an answer by a principle, and mends it."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from preftune.judging.asking import Write
from preftune.judging.constitution import Principle
from preftune.judging.templates import Template, template, transcript
from preftune.judging.verdicts import NoVerdict
from preftune.records import BadInput, Prompt


class Exemplar(BaseModel):
    """One worked example of a critique and a revision."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conversation: str = Field(min_length=1)
    critique_request: str = Field(min_length=1)
    critique: str = Field(min_length=1)
    revision_request: str = Field(min_length=1)
    revision: str = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Revision:
    """What one round made of an answer. ``critique`` and ``text`` are None where nothing came."""

    principle: str
    critique: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Requests:
    """The words that a critique and a revision are asked with."""

    critique: Template = template("critique.v1")
    revision: Template = template("revision.v1")


def load_exemplars(source: str | Path | None = None) -> tuple[Exemplar, ...]:
    """The package's two exemplars, or a TOML file's. Raises :class:`BadInput`."""
    packaged = Path(str(files("preftune.judging"))) / "exemplars" / "default.toml"
    path = packaged if source is None else Path(source)
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(Exemplar.model_validate(row) for row in given.get("exemplars", []))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise BadInput(
            f"The exemplars cannot be used: {str(error).splitlines()[0]}.",
            file=path,
            remedy=f"Each has {', '.join(Exemplar.model_fields)}.",
        ) from None


def revise(
    prompts: Sequence[Prompt],
    answers: Sequence[str],
    principles: Sequence[Principle],
    write: Write,
    exemplars: Sequence[Exemplar] = (),
    requests: Requests | None = None,
) -> list[Revision]:
    """One round: each answer criticised by its principle, then mended (Bai et al. 2022, §3.1).

    A critique or revision that did not come or is empty leaves that answer as it was.
    """
    shown = [answered(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
    requests = requests or Requests()
    critiques = _written(
        [
            requests.critique.fill(
                conversation=text, request=p.critique, examples=_critiques(exemplars)
            )
            for text, p in zip(shown, principles, strict=True)
        ],
        write,
    )
    places = [place for place, critique in enumerate(critiques) if critique is not None]
    mended = _written(
        [
            _mending(requests.revision, shown[i], critiques[i], principles[i], exemplars)
            for i in places
        ],
        write,
    )
    texts: list[str | None] = [None] * len(shown)
    for place, text in zip(places, mended, strict=True):
        texts[place] = text
    return [
        Revision(principle.id, critique, text)
        for principle, critique, text in zip(principles, critiques, texts, strict=True)
    ]


def answered(prompt: Prompt, answer: str) -> str:
    """The conversation with the answer at its end, as a critic reads it."""
    return f"{transcript(prompt.text)}\n\nAssistant: {answer}"


def _mending(
    asked: Template,
    conversation: str,
    critique: str | None,
    principle: Principle,
    exemplars: Sequence[Exemplar],
) -> Prompt:
    return asked.fill(
        conversation=conversation,
        critique=critique or "",
        request=principle.revision,
        examples=_revisions(exemplars),
    )


def _written(prompts: Sequence[Prompt], write: Write) -> list[str | None]:
    """What was written, up to where the model opens another section of its own."""
    found = write(prompts)
    texts = [
        None if isinstance(text, NoVerdict) else text.split("\n[")[0].strip() for text in found
    ]
    return [text or None for text in texts]


def _critiques(exemplars: Sequence[Exemplar]) -> str:
    return "".join(
        f"\nExample {n}.\n{e.conversation.strip()}\nWhat the reader is asked: "
        f"{e.critique_request}\nWhat the reader finds: {e.critique}\n"
        for n, e in enumerate(exemplars, 1)
    )


def _revisions(exemplars: Sequence[Exemplar]) -> str:
    return "".join(
        f"\nExample {n}.\n{e.conversation.strip()}\nWhat the reader finds: {e.critique}\n"
        f"What is asked: {e.revision_request}\nThe response, written anew: {e.revision}\n"
        for n, e in enumerate(exemplars, 1)
    )
