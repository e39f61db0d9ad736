"""The HTTP API of adjudication: the lead's blind answer, then the votes, then the decision."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from preftune.feedback.store import adjudication, projects
from preftune.feedback.store.adjudication import Disputed, Ruling
from preftune.feedback.store.engine import Store
from preftune.web.api import REFUSALS
from preftune.web.payloads import item_view, order_of
from preftune.web.shapes import DisputedView, ReviewRequest, RulingRequest
from preftune.web.who import Manager, TheStore

api = APIRouter(prefix="/api/review", tags=["review"], responses=REFUSALS)

ItemNumber = Annotated[int, Path(ge=1, le=2**53)]


@api.get("/{item}", response_model=DisputedView)
def look(item: ItemNumber, store: TheStore, person: Manager) -> JSONResponse:
    """A disputed item; its votes only after your own blind answer."""
    return _view(store, adjudication.look(store, item, annotator_id=person.id))


@api.post("/{item}/blind", response_model=DisputedView)
def blind(item: ItemNumber, asked: ReviewRequest, store: TheStore, person: Manager) -> JSONResponse:
    """Your own answer, before the votes are shown."""
    said = adjudication.say_blind(store, item, annotator_id=person.id, answer=asked.answer)
    return _view(store, said)


@api.post("/{item}/decision", response_model=DisputedView)
def decide(
    item: ItemNumber, asked: RulingRequest, store: TheStore, person: Manager
) -> JSONResponse:
    """The decision, beside the votes, which stay as they are."""
    ruling = Ruling(
        answer=asked.answer,
        confidence=asked.confidence,
        error_kind=asked.error_kind,
        note=asked.note,
        guideline_change=asked.guideline_change,
    )
    adjudication.decide(store, item, ruling, annotator_id=person.id)
    return _view(store, adjudication.look(store, item, annotator_id=person.id))


def _view(store: Store, disputed: Disputed) -> JSONResponse:
    project = projects.by_id(store, disputed.item.project_id)
    order = range(len(disputed.item.responses))
    votes: list[dict[str, Any]] = [
        {
            "annotator": vote.annotator,
            "group": vote.group,
            "origin": vote.origin,
            "answer": dict(vote.answer),
            "order": order_of(vote),
            "active_seconds": None if vote.active_ms is None else vote.active_ms / 1000,
            "created_at": vote.created_at,
        }
        for vote in disputed.votes
    ]
    return JSONResponse(
        {
            "item": item_view(project, disputed.item, order, True),
            "disagreement": disputed.disagreement,
            "blind": None if disputed.blind is None else dict(disputed.blind),
            "votes": votes,
        }
    )
