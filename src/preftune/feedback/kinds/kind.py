"""What every kind of feedback is made of: one question, one answer, and what trains on it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Level = Literal["nominal", "ordinal", "interval"]
How = Literal["majority", "dawid_skene", "per_vote", "votes"]
HOWS: tuple[How, ...] = ("majority", "dawid_skene", "per_vote", "votes")

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)]
LongText = Annotated[str, StringConstraints(max_length=200_000)]

FLAGS: tuple[str, ...] = ("pii", "unsafe", "wrong_language", "broken_render")


class Question(BaseModel):
    """What a project asks besides the main question; every kind adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Sentence = ""
    """The question in words; each kind has its own where this is empty."""
    reason_tags: tuple[Word, ...] = Field(default=(), max_length=8)
    """Reasons to choose from, eight at most."""
    flags: tuple[Word, ...] = FLAGS
    """What can be wrong with the item itself."""
    confidence: bool = False
    """Whether to ask how sure the labeler is."""
    note: bool = True
    """Whether there is a field for a note."""


class Answer(BaseModel):
    """What a labeler says besides the main answer. What nobody touched is null, never zero."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cannot_judge: Word | None = None
    """Why this cannot be judged. It is no vote, and nothing else is answered beside it."""
    reasons: tuple[Word, ...] = ()
    flags: tuple[Word, ...] = ()
    confidence: Literal["low", "medium", "high"] | None = None
    note: Sentence | None = None

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        beside = {"cannot_judge", "reasons", "flags", "confidence", "note"}
        said = [
            name
            for name in type(self).model_fields
            if name not in beside and getattr(self, name) not in (None, (), {}, False, "")
        ]
        if self.cannot_judge is not None and said:
            raise ValueError(f"{said[0]} is answered and cannot_judge as well: choose one of them")
        return self


@dataclass(frozen=True, slots=True)
class Measure:
    """Something labelers can agree about, and the scale it has."""

    name: str
    level: Level


@dataclass(frozen=True, slots=True)
class Asked:
    """An item as ``rows`` needs it."""

    name: str
    prompt: str | Sequence[Mapping[str, str]]
    responses: tuple[str, ...]
    models: tuple[str | None, ...]
    columns: Mapping[str, Any]
    group_id: str | None = None
    selection_probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Said:
    """One labeler's answer in its latest revision. ``annotator`` is a pseudonym."""

    annotator: str
    group: str
    origin: str
    answer: Any
    judgment_id: str
    revision: int
    guideline_version: int
    order: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Belief:
    """What is taken to be true of one item from all its votes: probabilities by value."""

    probabilities: Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of feedback. The functions take its own question and answer models.

    ``check(question, answer, responses)``: what is wrong with the answer in one sentence, or "".
    ``values(question, answer, responses)``: measure -> unit -> number, where something was said.
    ``matches(question, answer, gold)``: whether an answer is right on a known item.
    ``rows(question, asked, said, how, belief)``: dataset rows; the ones of an adjudicated item
    come from the decision alone.
    """

    name: str
    title: str
    question: type[Question]
    answer: type[Answer]
    responses: tuple[int, int]
    """How many responses an item needs, at least and at most."""
    measures: Callable[[Any], tuple[Measure, ...]]
    """The first is the headline of the agreement page."""
    check: Callable[[Any, Any, Sequence[str]], str]
    values: Callable[[Any, Any, Sequence[str]], Mapping[str, Mapping[str, float]]]
    matches: Callable[[Any, Any, Any], bool]
    rows: Callable[[Any, Asked, Sequence[Said], How, Belief | None], list[dict[str, Any]]]
    losses: tuple[str, ...]
    """Stages and objectives of a recipe that train on the rows."""
    hows: tuple[How, ...] = ("majority", "per_vote")
    """The ways of putting several votes together that make sense here."""


def extras_fault(question: Question, answer: Answer) -> str:
    """What is wrong with the reasons, flags, confidence or note; "" if nothing."""
    for given, allowed, name in (
        (answer.reasons, question.reason_tags, "reasons"),
        (answer.flags, question.flags, "flags"),
    ):
        strange = [word for word in given if word not in allowed]
        if strange:
            return f"{name} has {strange[0]!r}, which this project does not offer."
        if len(set(given)) < len(given):
            return f"{name} has one word twice."
    if answer.confidence is not None and not question.confidence:
        return "This project does not ask for confidence."
    if answer.note is not None and not question.note:
        return "This project takes no notes."
    return ""


def origin_columns(asked: Asked, said: Sequence[Said], source: str) -> dict[str, Any]:
    """Where a row came from: its judgments, the guideline versions, and how it was decided."""
    columns: dict[str, Any] = {
        "item": asked.name,
        "judgments": [f"{one.judgment_id}/{one.revision}" for one in said],
        "guideline_versions": sorted({one.guideline_version for one in said}),
        "source": source,
    }
    if asked.selection_probability != 1.0:
        columns["selection_probability"] = asked.selection_probability
    if asked.group_id is not None:
        columns["group_id"] = asked.group_id
    return {**{k: v for k, v in asked.columns.items() if k not in columns}, **columns}


def source_of(said: Sequence[Said], votes: Sequence[object]) -> str:
    """How it was decided: unanimous, majority, unresolved or adjudicated; _machine or _mixed."""
    if any(one.judgment_id.startswith("decision:") for one in said):
        return "adjudicated"
    counts = sorted((list(votes).count(vote) for vote in set(votes)), reverse=True)
    if not counts or (len(counts) > 1 and counts[0] == counts[1]):
        return "unresolved"
    word = "unanimous" if len(counts) == 1 else "majority"
    origins = {one.origin for one in said}
    if origins <= {"human"}:
        return word
    return f"{word}_mixed" if "human" in origins else f"{word}_machine"


def voter_columns(one: Said) -> dict[str, Any]:
    """Who gave a single vote: a pseudonym, the group, and whether a person, tool or model."""
    return {"annotator": one.annotator, "group": one.group, "origin": one.origin}
