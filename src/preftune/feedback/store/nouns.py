"""What goes into the label store and comes out of it. Frozen; times are seconds since 1970, UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

NOTHING_MORE: Mapping[str, Any] = MappingProxyType({})

Purpose = Literal["work", "prefetch", "training"]
Why = Literal["done", "all_assigned", "needs_training", "failed_training", "paused", "no_items"]
Status = Literal["counted", "late", "surplus"]
Origin = Literal["human", "tool", "model"]
Role = Literal["admin", "lead", "annotator", "viewer"]
ROLES: tuple[Role, ...] = ("admin", "lead", "annotator", "viewer")
ORIGINS: tuple[Origin, ...] = ("human", "tool", "model")

PromptText = str | Sequence[Mapping[str, str]]
"""A string, or turns ``{"role", "content"}``."""


@dataclass(frozen=True, slots=True)
class Training:
    """The session on known answers before the work: how many items, and the share to get right."""

    items: int = 10
    pass_mark: float = 0.75


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """What a project is made of. ``question`` is checked by the kind's own model.

    ``overlap``: how many judgments each item gets. ``lease_seconds``: how long an item stays with
    a person without a sign of life. ``undo_seconds``: how long they may change an answer.
    ``gold_fraction``: the share of hidden known items. ``cost_per_hour``: money for an hour of
    active time, in the currency you think in.
    """

    name: str
    kind: str
    question: Mapping[str, Any] = field(default_factory=lambda: NOTHING_MORE)
    title: str = ""
    instructions: str = ""
    overlap: int = 1
    lease_seconds: float = 900.0
    undo_seconds: float = 600.0
    training: Training | None = None
    gold_fraction: float = 0.07
    cost_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A project as stored. ``key`` draws sides and gold; it never leaves the store's machine."""

    id: int
    name: str
    kind: str
    question: Mapping[str, Any]
    title: str
    overlap: int
    lease_seconds: float
    undo_seconds: float
    training: Training | None
    gold_fraction: float
    cost_per_hour: float | None
    state: Literal["open", "paused"]
    key: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Response:
    """One response of an item; ``model`` and ``sampling`` are never shown to annotators."""

    text: str
    model: str | None = None
    sampling: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item to add. ``gold`` (a known answer) makes it a hidden check, ``training`` a lesson.

    ``priority``: larger is asked earlier. ``selection_probability``: with what probability this
    item was chosen to be asked, 1 unless an active selection says otherwise.
    """

    id: str
    prompt: PromptText
    responses: Sequence[Response | str] = ()
    columns: Mapping[str, Any] = field(default_factory=lambda: NOTHING_MORE)
    gold: Mapping[str, Any] | None = None
    training: bool = False
    explanation: str = ""
    priority: float = 0.0
    selection_probability: float = 1.0
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item as stored. ``number`` is the store's own id, ``name`` the one it came with."""

    number: int
    project_id: int
    name: str
    prompt: PromptText
    responses: tuple[Response, ...]
    columns: Mapping[str, Any]
    purpose: Literal["work", "gold", "training"]
    gold: Mapping[str, Any] | None
    explanation: str
    priority: float
    selection_probability: float
    group_id: str | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """One item, leased to one person.

    ``order[k]`` is the index of the response shown at place k; answers speak of the item's own
    order, never of places. ``slot`` is 1..overlap, None for gold and training items. The id is the
    same whenever the same person gets the same item again; ``epoch`` and ``lease_token`` change.
    """

    id: int
    project_id: int
    annotator_id: int
    item: Item
    slot: int | None
    lease_token: str
    lease_until: float
    epoch: int
    order: tuple[int, ...]
    guideline_version: int
    draft: Mapping[str, Any] | None
    draft_at: float | None
    training: bool


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to label now, and why. ``retry_seconds``: when a lease may come back."""

    reason: Why
    retry_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Presentation:
    """How the item was shown (the order is the assignment's own; a different one is refused)."""

    order: tuple[int, ...] | None = None
    guideline_version: int | None = None
    ui_version: str = ""
    rendered: bool = True
    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING_MORE)


@dataclass(frozen=True, slots=True)
class Submission:
    """An answer as a client sends it. ``submission_id`` is a UUID the client keeps over retries.

    ``active_ms`` counts while the page was visible and used, ``wall_ms`` from shown to sent.
    """

    submission_id: str
    assignment_id: int
    lease_token: str
    answer: Mapping[str, Any]
    presentation: Presentation = field(default_factory=Presentation)
    active_ms: int | None = None
    wall_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A changed answer to an earlier judgment: a new row, the old one stays."""

    submission_id: str
    judgment_id: str
    annotator_id: int
    answer: Mapping[str, Any]
    presentation: Presentation = field(default_factory=Presentation)
    active_ms: int | None = None
    wall_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a training answer was worth: shown at once, with the explanation."""

    right: bool
    gold: Mapping[str, Any]
    explanation: str
    done: int
    needed: int
    share_right: float
    passed: bool | None
    """None while the session goes on."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a submission; sent only after the commit."""

    judgment_id: str
    revision: int
    status: Status
    replayed: bool = False
    lesson: Lesson | None = None


@dataclass(frozen=True, slots=True)
class Judgment:
    """One revision of one judgment, as stored."""

    submission_id: str
    judgment_id: str
    revision: int
    project_id: int
    item_number: int
    item_name: str
    annotator_id: int
    annotator: str
    group: str
    """The person's group when they answered."""
    origin: Origin
    version: str
    """Which program or model answered, "" for a person."""
    status: Status
    answer: Mapping[str, Any]
    presentation: Mapping[str, Any]
    guideline_version: int
    active_ms: int | None
    wall_ms: int | None
    created_at: float
    seq: int
    """The event that recorded it: what a watermark is compared with."""


@dataclass(frozen=True, slots=True)
class Annotator:
    """A labeler: a person, a tool (simulated, scripted) or a model; the lead says which."""

    id: int
    name: str
    group: str
    origin: Origin
    version: str
    role: Role
    active: bool
    has_password: bool
    created_at: float


@dataclass(frozen=True, slots=True)
class NewAnnotator:
    """A labeler to add. ``version`` says which program or model it is, "" for a person."""

    name: str
    group: str = ""
    origin: Origin = "human"
    version: str = ""
    role: Role = "annotator"
