"""What the API takes and gives, as OpenAPI describes it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Token = Annotated[str, Field(min_length=1, max_length=200)]
Order = Annotated[list[Annotated[int, Field(ge=0, le=8)]], Field(max_length=9)]
Milliseconds = Annotated[int, Field(ge=0, le=10**10)]
Id = Annotated[int, Field(ge=1, le=2**53)]


class Taken(BaseModel):
    """A request body: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class NextRequest(Taken):
    purpose: Literal["work", "prefetch", "training"] = "work"
    render: bool = True
    """False leaves ``html`` out: for programs."""


class Held(Taken):
    """An assignment's lease, by its token."""

    lease_token: Token


class SkipRequest(Held):
    reason: Annotated[str, Field(min_length=1, max_length=200)]


class DraftRequest(Held):
    draft: dict[str, Any]


class Shown(Taken):
    """How the item was shown."""

    order: Order | None = None
    guideline_version: Annotated[int, Field(ge=0, le=2**31)] | None = None
    ui_version: Annotated[str, Field(max_length=80)] = ""
    rendered: bool = True
    extra: dict[str, Any] = {}


class Answered(Taken):
    """``submission_id`` is drawn by the client once and kept over retries."""

    submission_id: UUID
    answer: dict[str, Any]
    presentation: Shown = Shown()
    active_ms: Milliseconds | None = None
    wall_ms: Milliseconds | None = None


class SubmitRequest(Answered):
    assignment_id: Id
    lease_token: Token


class ReviewRequest(Taken):
    """A lead's blind answer to a disputed item."""

    answer: dict[str, Any]


class RulingRequest(Taken):
    """A lead's decision, after the votes were seen."""

    answer: dict[str, Any]
    confidence: Literal["", "low", "medium", "high"] = ""
    error_kind: Literal[
        "", "ambiguous", "guideline_gap", "annotator_error", "edge_case", "subjective"
    ] = ""
    note: Annotated[str, Field(max_length=4000)] = ""
    guideline_change: bool = False


class PreviewRequest(Taken):
    text: Annotated[str, Field(max_length=200_000)]


class TextView(BaseModel):
    text: str
    html: str | None


class TurnView(TextView):
    role: str


class ResponseView(TextView):
    index: int
    source: str | None = None
    """The unchanged text, where it is to be rewritten."""


class ItemView(BaseModel):
    context: list[TurnView]
    responses: list[ResponseView]
    order: list[int]
    steps: list[TextView] | None = None
    talk: bool = False
    """Whether the responses are still to come, from policies that are talked with."""


class AssignmentView(BaseModel):
    id: int
    lease_token: str
    lease_seconds: float
    epoch: int
    training: bool


class NothingView(BaseModel):
    reason: str
    sentence: str
    retry_seconds: float | None


class NextView(BaseModel):
    """Either an assignment with its item, or why there is nothing."""

    assignment: AssignmentView | None
    item: ItemView | None
    guideline_version: int | None
    draft: dict[str, Any] | None
    draft_at: float | None
    nothing: NothingView | None


class LeaseView(BaseModel):
    lease_seconds: float


class SavedView(BaseModel):
    saved_at: float


class LessonView(BaseModel):
    right: bool
    gold: dict[str, Any]
    explanation: TextView
    done: int
    needed: int
    share_right: float
    passed: bool | None


class ReceiptView(BaseModel):
    judgment_id: str
    revision: int
    status: Literal["counted", "late", "surplus"]
    replayed: bool
    lesson: LessonView | None


class JudgmentView(BaseModel):
    judgment_id: str
    revision: int
    status: Literal["counted", "late", "surplus"]
    answer: dict[str, Any]
    order: list[int]
    created_at: float
    revisable_seconds: float


class EarlierView(BaseModel):
    """An earlier judgment with its item, to look at again or change."""

    judgment: JudgmentView
    item: ItemView
    guideline_version: int


class VoteView(BaseModel):
    annotator: str
    group: str
    origin: str
    answer: dict[str, Any]
    order: list[int]
    active_seconds: float | None
    created_at: float


class DisputedView(BaseModel):
    item: ItemView
    disagreement: float
    blind: dict[str, Any] | None
    votes: list[VoteView]


class MeView(BaseModel):
    id: int
    name: str
    role: str
    group: str
    rights: list[str]


class ProjectView(BaseModel):
    name: str
    title: str
    kind: str
    question: dict[str, Any]
    overlap: int
    state: str


class GuidelineView(BaseModel):
    version: int
    html: str
    changes: list[dict[str, Any]]


class Fault(BaseModel):
    """Why something was refused: ``what`` for programs, ``sentence`` for people."""

    what: str
    sentence: str
    remedy: str = ""
    happened: str | None = None


class ErrorView(BaseModel):
    error: Fault
