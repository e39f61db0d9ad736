"""Making a project, giving it items, pausing it, taking its judgments out."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile

from preftune.feedback.kinds import KINDS
from preftune.feedback.store import exporting, items, projects
from preftune.feedback.store.nouns import Project, ProjectSettings, Training
from preftune.records import BadInput
from preftune.web.example import make_example
from preftune.web.settings import WebSettings
from preftune.web.uploads import items_of
from preftune.web.views import page, path_of, to
from preftune.web.who import Manager, Person, TheStore, TokenChecked

router = APIRouter()

LONGEST = 200_000
FIELDS = (
    "name", "title", "kind", "question", "instructions", "overlap", "gold_percent",
    "training_items", "cost_per_hour",
)  # fmt: skip

Short = Annotated[str, Form(max_length=200)]
Number = Annotated[str, Form(max_length=20)]


@router.post("/example", dependencies=[TokenChecked])
def example(request: Request, store: TheStore, person: Manager) -> Response:
    project = make_example(store, actor=person.actor)
    return to(request, f"{path_of(project)}/label")


@router.get("/new")
def new_project(request: Request, store: TheStore, person: Manager) -> Response:
    return _form(request, person, {}, "")


async def new_fields(request: Request) -> dict[str, str]:
    """The form of a new project; what was left out is empty."""
    form = await request.form()
    return {name: str(form.get(name, ""))[:LONGEST].strip() for name in FIELDS}


@router.post("/new", dependencies=[TokenChecked])
def create(
    request: Request,
    store: TheStore,
    person: Manager,
    given: Annotated[dict[str, str], Depends(new_fields)],
) -> Response:
    try:
        project = projects.create(store, _settings(given), actor=person.actor)
    except BadInput as refused:
        return _form(request, person, given, f"{refused.sentence} {refused.remedy}")
    return to(request, f"{path_of(project)}/items")


@router.get("/p/{name}/items")
def items_page(request: Request, name: str, store: TheStore, person: Manager) -> Response:
    return _items(request, person, store, projects.named(store, name))


@router.post("/p/{name}/items", dependencies=[TokenChecked])
def add_items(
    request: Request, name: str, store: TheStore, person: Manager, file: UploadFile | None = None
) -> Response:
    """Adds the items of a JSON Lines file; the same file twice adds nothing."""
    project = projects.named(store, name)
    settings: WebSettings = request.app.state.settings
    data = file.file.read(settings.largest_upload + 1) if file is not None else b""
    try:
        added = items.add(store, project.id, items_of(data), actor=person.actor)
    except BadInput as refused:
        place = f"Line {refused.line}: " if refused.line else ""
        fault = f"{place}{refused.sentence} {refused.remedy}".strip()
        return _items(request, person, store, project, fault=fault)
    done = f"{added} items were added." if added else "All of these items were there already."
    return _items(request, person, store, project, done=done)


@router.post("/p/{name}/state", dependencies=[TokenChecked])
def change_state(
    request: Request, name: str, store: TheStore, person: Manager, state: Short = ""
) -> Response:
    project = projects.named(store, name)
    change = projects.pause if state == "paused" else projects.reopen
    change(store, project.id, actor=person.actor)
    return to(request, path_of(project))


@router.post("/p/{name}/overlap", dependencies=[TokenChecked])
def change_overlap(
    request: Request, name: str, store: TheStore, person: Manager, overlap: Number = ""
) -> Response:
    project = projects.named(store, name)
    wanted = _whole(overlap, "The number of judgments for each item")
    projects.raise_overlap(store, project.id, wanted, actor=person.actor)
    return to(request, path_of(project))


@router.get("/p/{name}/export")
def export(request: Request, name: str, store: TheStore, person: Manager) -> Response:
    """Every judgment, as ``judgments.jsonl`` of ``preftune label export`` has them."""
    project = projects.named(store, name)
    with tempfile.TemporaryDirectory() as folder:
        made = exporting.snapshot(store, project.name, Path(folder) / "export")
        text = (made.folder / "judgments.jsonl").read_bytes()
    headers = {
        "Content-Disposition": 'attachment; filename="judgments.jsonl"',
        "X-Preftune-Watermark": str(made.watermark),
    }
    return Response(text, media_type="application/jsonl", headers=headers)


def _form(request: Request, person: Person, given: dict[str, Any], fault: str) -> Response:
    defaults = {
        one.name: json.dumps(one.question().model_dump(mode="json"), indent=2)
        for one in KINDS.values()
    }
    return page(
        request,
        "new.html",
        person,
        status=422 if fault else 200,
        given=given,
        fault=fault,
        kinds=KINDS,
        defaults=defaults,
    )


def _items(
    request: Request,
    person: Person,
    store: TheStore,
    project: Project,
    *,
    fault: str = "",
    done: str = "",
) -> Response:
    return page(
        request,
        "items.html",
        person,
        status=422 if fault else 200,
        project=project,
        tab="items",
        items=items.listed(store, project.id, limit=20),
        fault=fault,
        done=done,
    )


def _settings(given: dict[str, Any]) -> ProjectSettings:
    """Raises BadInput for what is no number or no JSON."""
    try:
        question = json.loads(given["question"]) if given["question"] else {}
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The question is not JSON: {error}.") from None
    lessons = _whole(given["training_items"] or "0", "The number of training items")
    cost = given["cost_per_hour"]
    return ProjectSettings(
        name=given["name"],
        title=given["title"],
        kind=given["kind"] or "comparison",
        question=question,
        instructions=given["instructions"].replace("\r\n", "\n"),
        overlap=_whole(given["overlap"] or "1", "The number of judgments for each item"),
        gold_fraction=_whole(given["gold_percent"] or "7", "The share of hidden checks") / 100,
        training=Training(items=lessons) if lessons else None,
        cost_per_hour=float(_whole(cost, "The cost of an hour")) if cost else None,
    )


def _whole(text: str, what: str) -> int:
    if not text.strip().isdecimal():
        raise BadInput(f"{what} must be a whole number.")
    return int(text)
