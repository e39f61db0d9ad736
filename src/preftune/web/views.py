"""Pages: templates, what every page knows, and how numbers and times are written."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from preftune.feedback.store.nouns import Project
from preftune.records import Estimate
from preftune.web.rendering import raw, rendered
from preftune.web.who import Person


@cache
def ui_version() -> str:
    """A hash of everything the browser gets: stored with each judgment as what it was shown by."""
    digest = sha256()
    for folder in (static_folder(), static_folder().parent / "templates"):
        for path in sorted(folder.rglob("*.*")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def static_folder() -> Path:
    """Where scripts, styles and pictures are."""
    return Path(__file__).parent / "static"


def path_of(project: Project) -> str:
    """The project's pages: its name as a part of a path."""
    return f"/p/{quote(project.name, safe='')}"


def page(
    request: Request, template: str, person: Person | None, /, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """The template filled in; ``url`` in it knows the prefix the application is under."""
    known = {
        "root": request.scope.get("root_path", "").rstrip("/"),
        "person": person,
        "csrf": person.csrf if person else "",
        "path": request.url.path,
        "said": request.query_params.get("said", ""),
    }
    text = _templates().get_template(template).render({**known, **values})
    return HTMLResponse(text, status_code=status)


def to(request: Request, path: str) -> RedirectResponse:
    """The page to go on with after a form."""
    root = request.scope.get("root_path", "").rstrip("/")
    return RedirectResponse(f"{root}{path}", status_code=303)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("preftune.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "markdown": lambda text: rendered(text) or raw(text),
        "when": when,
        "hours": hours,
        "path": path_of,
        "estimate": estimate,
        "seconds": seconds,
        "words": lambda name: str(name).replace("_", " "),
    }
    made.globals["ui_version"] = ui_version()
    return made


def when(at: float | None) -> str:
    """A moment in UTC; pages say so once."""
    return "–" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def hours(given: float) -> str:
    """Seconds as hours and minutes."""
    minutes = round(given / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def seconds(given: float | None) -> str:
    return "–" if given is None else f"{given:.0f} s" if given >= 10 else f"{given:.1f} s"


def estimate(given: Estimate | Mapping[str, Any] | None, percent: bool = False) -> str:
    """A number with its 95 % interval."""
    if given is None:
        return "–"
    if isinstance(given, Mapping):
        given = Estimate(given["value"], given["low"], given["high"], given["count"])
    if percent:
        return f"{100 * given.value:.0f} % [{100 * given.low:.0f}, {100 * given.high:.0f}]"
    return f"{given.value:.2f} [{given.low:.2f}, {given.high:.2f}]"
