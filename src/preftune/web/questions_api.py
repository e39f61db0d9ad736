"""The HTTP API of questions about an item, asked from the labelling screen."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from preftune.feedback.store import fixed, questions
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Forbidden
from preftune.feedback.store.questions import Thread
from preftune.web.api import REFUSALS, AssignmentId
from preftune.web.payloads import text_view
from preftune.web.shapes import QuestionRequest, RemarkView
from preftune.web.who import Labeler, Person, TheStore

api = APIRouter(prefix="/api/assignments", tags=["labelling"], responses=REFUSALS)


@api.get("/{assignment}/questions", response_model=list[RemarkView])
def read(assignment: AssignmentId, store: TheStore, person: Labeler) -> JSONResponse:
    """What you asked the leads about this item, and what they told you."""
    item = _own_item(store, assignment, person)
    return _view(questions.thread_of(store, item, person.id))


@api.post("/{assignment}/questions", response_model=list[RemarkView])
def ask(
    assignment: AssignmentId, asked: QuestionRequest, store: TheStore, person: Labeler
) -> JSONResponse:
    """Ask the leads about this item. Other labelers do not see it."""
    item = _own_item(store, assignment, person)
    return _view(
        questions.say(store, item, asker_id=person.id, author_id=person.id, text=asked.text)
    )


def _own_item(store: Store, assignment: int, person: Person) -> int:
    owner = fixed.owner(store, assignment)
    if owner.annotator_id != person.id:
        raise Forbidden("This assignment is another person's.")
    return owner.item_id


def _view(thread: Thread | None) -> JSONResponse:
    said: list[dict[str, Any]] = [
        {"own": one.own, **text_view(one.text, True), "created_at": one.created_at}
        for one in (thread.remarks if thread else ())
    ]
    return JSONResponse(said)
