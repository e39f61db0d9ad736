"""The HTTP API of labelling, in JSON: what the screen uses, and programs too."""

from typing import Annotated, Any, NoReturn

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from preftune.feedback.store import fixed, guidelines, items, judgments, leases, projects
from preftune.feedback.store.engine import Errand, Store
from preftune.feedback.store.faults import Forbidden
from preftune.feedback.store.nouns import (
    Assignment,
    Nothing,
    Presentation,
    Project,
    Receipt,
    Revision,
    Submission,
)
from preftune.web.lean import LeanRoute
from preftune.web.payloads import (
    assignment_view,
    item_view,
    judgment_view,
    nothing_view,
    order_of,
    receipt_view,
    text_view,
)
from preftune.web.recent import Recent
from preftune.web.shapes import (
    Answered,
    DraftRequest,
    EarlierView,
    ErrorView,
    GuidelineView,
    Held,
    JudgmentView,
    LeaseView,
    MeView,
    NextRequest,
    NextView,
    PreviewRequest,
    ProjectView,
    ReceiptView,
    SavedView,
    Shown,
    SkipRequest,
    SubmitRequest,
    TextView,
)
from preftune.web.soon import carried_out
from preftune.web.talking import check_talk
from preftune.web.who import Labeler, Person, Somebody, TheStore

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorView, "description": "The body is not JSON."},
    401: {"model": ErrorView, "description": "Nobody is logged in."},
    403: {"model": ErrorView, "description": "This person may not do that."},
    404: {"model": ErrorView, "description": "There is no such thing."},
    409: {"model": ErrorView, "description": "The id was used before for something else."},
    410: {"model": ErrorView, "description": "The lease is lost; `happened` says how."},
    413: {"model": ErrorView, "description": "The body is too large."},
    415: {"model": ErrorView, "description": "The body is not application/json."},
    422: {"model": ErrorView, "description": "The body or the answer does not fit."},
    429: {"model": ErrorView, "description": "Too many attempts."},
}

api = APIRouter(prefix="/api", tags=["labelling"], responses=REFUSALS)
busy = APIRouter(prefix="/api", tags=["labelling"], responses=REFUSALS, route_class=LeanRoute)
"""What is asked for every item; the event loop itself answers, and waits for nothing else."""
BIG = 20_000
"""Bytes of an answer from which it is checked in a thread, so that others need not wait."""

ProjectName = Annotated[str, Path(max_length=200)]
AssignmentId = Annotated[int, Path(ge=1, le=2**53)]
JudgmentId = Annotated[str, Path(max_length=80)]


@api.get("/me", response_model=MeView)
def me(person: Somebody) -> JSONResponse:
    """Who you are, and what you may do."""
    who = person.annotator
    return JSONResponse(
        {
            "id": who.id,
            "name": who.name,
            "role": who.role,
            "group": who.group,
            "rights": sorted(person.rights),
        }
    )


@api.get("/projects", response_model=list[ProjectView])
def all_projects(store: TheStore, person: Somebody) -> JSONResponse:
    """Every project."""
    return JSONResponse([project_view(one) for one in projects.all(store)])


@api.get("/projects/{project}", response_model=ProjectView)
def one_project(project: ProjectName, store: TheStore, person: Somebody) -> JSONResponse:
    """One project: its kind and its question."""
    return JSONResponse(project_view(projects.named(store, project)))


@api.get("/projects/{project}/guidelines", response_model=GuidelineView)
def guideline(project: ProjectName, store: TheStore, person: Somebody) -> JSONResponse:
    """The guidelines as HTML, and what changed since you last opened them."""
    found = projects.named(store, project)
    current = guidelines.current(store, found.id)
    seen = guidelines.seen(store, found.id, person.id)
    newer = guidelines.changes(store, found.id, seen) if seen else []
    return JSONResponse(
        {
            "version": current.version,
            "html": text_view(current.text, True)["html"] or "",
            "changes": [
                {"version": one.version, "changes": one.changes, "published_at": one.published_at}
                for one in newer
            ],
        }
    )


@api.post("/projects/{project}/guidelines/{version}/seen", status_code=204)
def guideline_seen(
    project: ProjectName,
    version: Annotated[int, Path(ge=1, le=2**31 - 1)],
    store: TheStore,
    person: Labeler,
) -> None:
    """You have opened this version."""
    found = projects.named(store, project)
    known = guidelines.current(store, found.id).version
    guidelines.mark_seen(store, found.id, person.id, min(version, known))


@busy.post("/projects/{project}/next", response_model=NextView)
async def take_next(
    request: Request, project: ProjectName, asked: NextRequest, store: TheStore, person: Labeler
) -> JSONResponse:
    """An item, leased to you. ``prefetch`` gives a second one beside the one you hold."""
    recent: Recent[Project] = request.app.state.projects  # its kind and question never change
    found = recent.get(project) or recent.put(
        project, await run_in_threadpool(projects.named, store, project)
    )
    errand = leases.to_take(
        store, project_id=found.id, annotator_id=person.id, purpose=asked.purpose
    )
    given = await carried_out(store, errand)
    if isinstance(given, Nothing):
        return JSONResponse(nothing_view(given))
    if asked.render:  # Markdown takes its time
        return JSONResponse(await run_in_threadpool(assignment_view, found, given, True))
    return JSONResponse(assignment_view(found, given, False))


@api.get("/assignments/{assignment}", response_model=NextView)
def one_assignment(assignment: AssignmentId, store: TheStore, person: Labeler) -> JSONResponse:
    """An assignment of yours again, live or not."""
    given = leases.current(store, assignment, person.id)
    return JSONResponse(assignment_view(projects.by_id(store, given.project_id), given, True))


@api.post("/assignments/{assignment}/heartbeat", response_model=LeaseView)
def heartbeat(
    assignment: AssignmentId, held: Held, store: TheStore, person: Labeler
) -> JSONResponse:
    """You are still at it: the lease is renewed."""
    given = _own(store, assignment, person)
    leases.heartbeat(store, assignment, held.lease_token)
    project = projects.by_id(store, given.project_id)
    return JSONResponse({"lease_seconds": project.lease_seconds})


@api.post("/assignments/{assignment}/release", status_code=204)
def release(assignment: AssignmentId, held: Held, store: TheStore, person: Labeler) -> None:
    """Give the item back; you may get it again."""
    _own(store, assignment, person)
    leases.release(store, assignment, held.lease_token)


@api.post("/assignments/{assignment}/skip", status_code=204)
def skip(assignment: AssignmentId, asked: SkipRequest, store: TheStore, person: Labeler) -> None:
    """Give the item back for others, with a reason; you will not see it again."""
    _own(store, assignment, person)
    leases.skip(store, assignment, asked.lease_token, reason=asked.reason)


@api.post("/assignments/{assignment}/draft", response_model=SavedView)
def draft(
    assignment: AssignmentId, asked: DraftRequest, store: TheStore, person: Labeler
) -> JSONResponse:
    """Keep what was entered so far."""
    _own(store, assignment, person)
    return JSONResponse(
        {"saved_at": leases.save_draft(store, assignment, asked.lease_token, asked.draft)}
    )


@busy.post("/judgments", response_model=ReceiptView)
async def submit(
    request: Request, asked: SubmitRequest, store: TheStore, person: Labeler
) -> JSONResponse:
    """Store an answer. When this answers 200, it is on the disk; sending it again is safe."""
    size = int(request.headers.get("content-length", BIG))
    if size < BIG and store.line is not None and fixed.knows(store, asked.assignment_id):
        errand = _to_submit(asked, store, person)
    else:
        errand = await run_in_threadpool(_to_submit, asked, store, person)
    receipt = await carried_out(store, errand)
    if receipt.lesson is not None:
        return JSONResponse(await run_in_threadpool(receipt_view, receipt, True))
    return JSONResponse(receipt_view(receipt, True))


def _to_submit(asked: SubmitRequest, store: Store, person: Person) -> Errand[Receipt]:
    """The answer, checked as far as it can be without the write."""
    owner = fixed.owner(store, asked.assignment_id)
    if owner.annotator_id != person.id:
        raise Forbidden("This assignment is another person's.")
    project = fixed.asking(store, owner.project_id).project  # of which only the kind is read
    check_talk(project, items.by_number(store, owner.item_id), person.id, asked.answer)
    given = Submission(
        submission_id=str(asked.submission_id),
        assignment_id=asked.assignment_id,
        lease_token=asked.lease_token,
        answer=asked.answer,
        presentation=_presentation(asked.presentation),
        active_ms=asked.active_ms,
        wall_ms=asked.wall_ms,
    )
    return judgments.to_submit(store, given)


@api.post("/judgments/{judgment}/revise", response_model=ReceiptView)
def revise(judgment: JudgmentId, asked: Answered, store: TheStore, person: Labeler) -> JSONResponse:
    """Change an earlier answer of yours: a new revision, the old one stays."""
    found = judgments.by_id(store, judgment)
    item = items.by_number(store, found.item_number)
    check_talk(projects.by_id(store, found.project_id), item, person.id, asked.answer)
    receipt = judgments.revise(
        store,
        Revision(
            submission_id=str(asked.submission_id),
            judgment_id=judgment,
            annotator_id=person.id,
            answer=asked.answer,
            presentation=_presentation(asked.presentation),
            active_ms=asked.active_ms,
            wall_ms=asked.wall_ms,
        ),
    )
    return JSONResponse(receipt_view(receipt, True))


@api.get("/judgments/{judgment}", response_model=EarlierView)
def one_judgment(judgment: JudgmentId, store: TheStore, person: Labeler) -> JSONResponse:
    """A judgment of yours with its item, to look at or change."""
    found = judgments.by_id(store, judgment)
    if found.annotator_id != person.id:
        _not_yours()
    project = projects.by_id(store, found.project_id)
    item = items.by_number(store, found.item_number)
    return JSONResponse(
        {
            "judgment": judgment_view(found, found.created_at + project.undo_seconds),
            "item": item_view(project, item, order_of(found), True),
            "guideline_version": found.guideline_version,
        }
    )


@api.get("/me/judgments", response_model=list[JudgmentView])
def my_judgments(
    project: Annotated[str, Query(max_length=200)],
    store: TheStore,
    person: Labeler,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> JSONResponse:
    """Your last judgments in a project, newest first."""
    found = projects.named(store, project)
    mine = judgments.mine(store, found.id, person.id, limit=limit)
    return JSONResponse([judgment_view(one, one.created_at + found.undo_seconds) for one in mine])


@api.post("/preview", response_model=TextView)
def preview(asked: PreviewRequest, person: Labeler) -> JSONResponse:
    """Markdown as it will be shown."""
    return JSONResponse(text_view(asked.text, True))


def project_view(project: Project) -> dict[str, Any]:
    return {
        "name": project.name,
        "title": project.title or project.name,
        "kind": project.kind,
        "question": dict(project.question),
        "overlap": project.overlap,
        "state": project.state,
    }


def _own(store: TheStore, assignment: int, person: Person) -> Assignment:
    """The assignment, if it is this person's. Raises Unknown, Forbidden."""
    return leases.current(store, assignment, person.id)


def _presentation(shown: Shown) -> Presentation:
    return Presentation(
        order=None if shown.order is None else tuple(shown.order),
        guideline_version=shown.guideline_version,
        ui_version=shown.ui_version,
        rendered=shown.rendered,
        extra=shown.extra,
    )


def _not_yours() -> NoReturn:
    raise Forbidden("This judgment is not yours.")
