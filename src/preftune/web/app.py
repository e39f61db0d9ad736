"""The application: one FastAPI over one open store."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware import Middleware

import preftune
from preftune.feedback.store.engine import Store
from preftune.web import api, questions_api, review_api, talking
from preftune.web.errors import add_handlers
from preftune.web.pages import (
    entry,
    guidelines,
    lead,
    own,
    people,
    projects,
    questions,
    review,
    work,
)
from preftune.web.recent import Recent
from preftune.web.security import CSP_REPORTS, Guard
from preftune.web.settings import WebSettings
from preftune.web.talking import Policy
from preftune.web.views import static_folder


def create_app(
    store: Store,
    *,
    settings: WebSettings | None = None,
    policies: Mapping[str, Policy] | None = None,
) -> FastAPI:
    """The labelling application over ``store``, which stays the caller's to close.

    ``policies`` are those that labelers talk with in projects of the kind ``conversation``.
    """
    chosen = settings or WebSettings()
    app = FastAPI(
        title="preftune label",
        version=preftune.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        middleware=[Middleware(Guard, settings=chosen)],
    )
    app.state.store = store
    app.state.settings = chosen
    app.state.policies = dict(policies or {})
    app.state.csp_reports = 0
    app.state.programs = Recent()
    app.state.projects = Recent()
    add_handlers(app)
    app.include_router(api.busy)
    app.include_router(api.api)
    app.include_router(questions_api.api)
    app.include_router(review_api.api)
    app.include_router(talking.router, responses=api.REFUSALS)
    for pages in (entry, work, own, projects, lead, review, questions, guidelines, people):
        app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=static_folder()), name="static")
    app.add_api_route(CSP_REPORTS, take_report, methods=["POST"], include_in_schema=False)
    app.add_api_route("/healthz", alive, methods=["GET"], include_in_schema=False)
    return app


async def take_report(request: Request) -> Response:
    """A browser refused something a page wanted: counted, and said on the log."""
    request.app.state.csp_reports += 1
    return Response(status_code=204)


async def alive() -> JSONResponse:
    """For whatever watches the server."""
    return JSONResponse({"status": "ok"})
