"""Refusals on their way out: JSON for the API, a page for people; never a traceback."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from preftune.feedback.store.faults import (
    Conflict,
    Forbidden,
    InvalidAnswer,
    LeaseLost,
    Refused,
    Unknown,
)
from preftune.records import BadInput
from preftune.web.talking import Unavailable
from preftune.web.views import page
from preftune.web.who import BadForm, NotAllowed, NotLoggedIn

STATUS: tuple[tuple[type[Refused], int], ...] = (
    (LeaseLost, 410),
    (Unknown, 404),
    (Conflict, 409),
    (InvalidAnswer, 422),
    (Forbidden, 403),
    (BadForm, 403),
    (Unavailable, 503),
)


def status_of(refused: BadInput) -> int:
    return next((status for sort, status in STATUS if isinstance(refused, sort)), 422)


def add_handlers(app: FastAPI) -> None:
    """What becomes of everything that is raised on purpose."""

    @app.exception_handler(NotLoggedIn)
    def not_logged_in(request: Request, _: Exception) -> Response:
        if _is_api(request):
            sentence = "You are not logged in, or not any more."
            return _json(401, "not_logged_in", sentence, headers={"WWW-Authenticate": "Bearer"})
        root = request.scope.get("root_path", "").rstrip("/")
        return RedirectResponse(f"{root}/login", status_code=303)

    @app.exception_handler(NotAllowed)
    def not_allowed(request: Request, error: NotAllowed) -> Response:
        return _say(request, 403, "not_allowed", error.sentence)

    @app.exception_handler(BadInput)
    def bad_input(request: Request, error: BadInput) -> Response:
        what = error.what if isinstance(error, Refused) else "bad_input"
        happened = error.happened if isinstance(error, LeaseLost) else None
        return _say(request, status_of(error), what, error.sentence, error.remedy, happened)

    @app.exception_handler(RequestValidationError)
    def not_valid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _say(request, 422, "not_valid", f"{place}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        sentence = "There is no such page." if error.status_code == 404 else str(error.detail)
        return _say(request, error.status_code, "http", sentence, headers=error.headers)


def _is_api(request: Request) -> bool:
    root = request.scope.get("root_path", "").rstrip("/")
    return request.url.path.removeprefix(root).startswith("/api/")


def _say(
    request: Request,
    status: int,
    what: str,
    sentence: str,
    remedy: str = "",
    happened: str | None = None,
    *,
    headers: object = None,
) -> Response:
    if _is_api(request):
        return _json(status, what, sentence, remedy, happened, headers=headers)
    return page(request, "refused.html", None, status=status, sentence=sentence, remedy=remedy)


def _json(
    status: int,
    what: str,
    sentence: str,
    remedy: str = "",
    happened: str | None = None,
    *,
    headers: object = None,
) -> JSONResponse:
    fault = {"what": what, "sentence": sentence, "remedy": remedy, "happened": happened}
    return JSONResponse({"error": fault}, status_code=status, headers=headers)  # type: ignore[arg-type]
