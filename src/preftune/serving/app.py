"""The endpoint: OpenAI's routes over served models, and the playground beside them."""

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from preftune.recipe.profiles import AT
from preftune.records import Message, Sampling
from preftune.rollouts.streaming import Stream
from preftune.serving.answers import Answer
from preftune.serving.profiled import Profiled
from preftune.serving.requests import Asked, ChatRequest, CompletionRequest
from preftune.serving.shapes import Refused, Shape
from preftune.serving.worker import Job, Overloaded, Served

STATIC = Path(__file__).with_name("static")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
PAGES = {
    "/": ("playground.html", "text/html"),
    "/playground.css": ("playground.css", "text/css"),
    "/playground.js": ("playground.js", "text/javascript"),
}


def create_app(
    models: Mapping[str, Served], *, key: str | None = None, profiles: Profiled | None = None
) -> FastAPI:
    """The app over models that are not started yet. With ``key`` clients must send it.

    ``profiles`` makes a model of a name such as ``assistant@helpful=.7,harmless=.3``.
    """

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        for model in models.values():
            model.start()
        yield
        made = profiles.opened if profiles is not None else []
        for model in (*models.values(), *made):
            await asyncio.to_thread(model.stop)

    app = FastAPI(title="preftune", lifespan=running, docs_url=None, redoc_url=None)
    _say_errors(app)
    _guard(app, key)
    for place, (name, kind) in PAGES.items():
        app.add_api_route(place, _page(name, kind), include_in_schema=False)

    async def find(name: str) -> Served:
        if name not in models and profiles is not None and AT in name:
            return await asyncio.to_thread(profiles.find, name)
        return _find(models, name)

    @app.get("/v1/models")
    async def listed() -> dict[str, Any]:
        return {"object": "list", "data": [_card(name) for name in models]}

    @app.get("/v1/models/{name:path}")
    async def one(name: str) -> dict[str, Any]:
        return _card((await find(name)).name)

    @app.post("/v1/chat/completions", response_model=None)
    async def chat(asked: ChatRequest) -> Response:
        model = await find(asked.model)
        turns = [Message(turn.role, turn.text) for turn in asked.messages]
        top = asked.top_logprobs if asked.logprobs else None
        if asked.top_logprobs and not asked.logprobs:
            raise Refused(400, "top_logprobs needs logprobs.", param="top_logprobs")
        prompts = [model.prompt_ids(turns)]
        return await _answered(_Work(model, asked, prompts, asked.longest, top, chat=True))

    @app.post("/v1/completions", response_model=None)
    async def complete(asked: CompletionRequest) -> Response:
        model = await find(asked.model)
        if asked.best_of not in (None, asked.n):
            raise Refused(400, "best_of is not served.", param="best_of")
        prompts = [model.text_ids(prompt) for prompt in asked.prompts]
        work = _Work(model, asked, prompts, asked.max_tokens, asked.logprobs, chat=False)
        return await _answered(work)

    return app


@dataclass(frozen=True, slots=True)
class _Work:
    """A request that has been read: its prompts as ids, and how its answers look."""

    model: Served
    asked: Asked
    prompts: Sequence[tuple[int, ...]]
    longest: int | None
    top: int | None
    chat: bool

    def jobs(self, tell: Callable[[Answer], None]) -> list[Job]:
        """One job for each choice of each prompt. Raises ``Refused`` where there is no room."""
        seed = secrets.randbits(62) if self.asked.seed is None else self.asked.seed % 2**63
        jobs = []
        for number, ids in enumerate(self.prompts):
            room = self._room(ids)
            sampling = Sampling(room, self.asked.temperature, self.asked.top_p, seed=seed)
            for place in range(self.asked.n):
                index = number * self.asked.n + place
                answer = Answer(self.model.decoder, index, room, self.asked.stops)
                jobs.append(Job(Stream(ids, sampling, place, self.top or 0), answer, tell))
        return jobs

    def shape(self) -> Shape:
        count = sum(map(len, self.prompts))
        return Shape(self.model.name, self.chat, self.top, count)

    def _room(self, ids: tuple[int, ...]) -> int:
        context = self.model.renderer.context
        room = context - len(ids)
        longest = room if self.longest is None else self.longest
        if room < 1 or longest > room:
            raise Refused(
                400,
                f"This model's context is {context} tokens; the prompt has {len(ids)} and "
                f"{max(longest, 1)} were asked for.",
                param="messages" if self.chat else "prompt",
                code="context_length_exceeded",
            )
        return longest


async def _answered(work: _Work) -> Response:
    loop = asyncio.get_running_loop()
    grown: asyncio.Queue[Answer] = asyncio.Queue()

    def tell(answer: Answer) -> None:
        with suppress(RuntimeError):  # the server has stopped
            loop.call_soon_threadsafe(grown.put_nowait, answer)

    jobs = work.jobs(tell)
    try:
        work.model.submit(jobs)
    except Overloaded:
        raise Refused(429, "Too much is waiting; try again later.", code="overloaded") from None
    if work.asked.stream:
        pieces = _pieces(work, jobs, grown)
        return StreamingResponse(pieces, media_type="text/event-stream", headers=HEADERS)
    try:
        await _all_over(jobs, grown)
    finally:
        _give_up(jobs)
    failed = next((job.answer.error for job in jobs if job.answer.error), None)
    if failed:
        raise Refused(500, failed)
    return JSONResponse(work.shape().whole([job.answer for job in jobs]))


async def _all_over(jobs: Sequence[Job], grown: "asyncio.Queue[Answer]") -> None:
    while not all(job.answer.over for job in jobs):
        await grown.get()


def _give_up(jobs: Sequence[Job]) -> None:
    """Nobody reads any more: rows still being written leave the batch."""
    for job in jobs:
        job.stream.ended = True


async def _pieces(
    work: _Work, jobs: Sequence[Job], grown: "asyncio.Queue[Answer]"
) -> AsyncIterator[str]:
    """Server-sent events, each piece as soon as nothing can change it any more."""
    shape, told, open_ = work.shape(), {job.answer.index: 0 for job in jobs}, len(jobs)
    try:
        if work.chat:
            for job in jobs:
                yield _event(shape.opening(job.answer.index))
        over: set[int] = set()
        while open_:
            answer = await grown.get()
            if answer.error:
                error = {"message": answer.error, "type": "server_error"}
                yield _event({"error": error})
                return
            if answer.index in over:
                continue
            last = answer.finish_reason is not None
            text = answer.piece()
            tokens = answer.tokens[told[answer.index] :]
            if text or last:
                told[answer.index] += len(tokens)
                yield _event(shape.piece(answer, text, tokens, last))
            if last:
                over.add(answer.index)
                open_ -= 1
        options = work.asked.stream_options
        if options is not None and options.include_usage:
            yield _event(shape.closing([job.answer for job in jobs]))
        yield "data: [DONE]\n\n"
    finally:
        _give_up(jobs)


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _find(models: Mapping[str, Served], name: str) -> Served:
    if name not in models:
        raise Refused(
            404,
            f"There is no model {name!r}; there is {', '.join(models)}.",
            param="model",
            code="model_not_found",
        )
    return models[name]


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "preftune"}


def _page(name: str, kind: str) -> Callable[[], Awaitable[FileResponse]]:
    async def page() -> FileResponse:
        return FileResponse(STATIC / name, media_type=kind, headers=HEADERS)

    return page


def _guard(app: FastAPI, key: str | None) -> None:
    """Asks for the key on everything under /v1; the playground's own pages hold no secrets."""

    @app.middleware("http")
    async def guarded(
        request: Request, go_on: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        right = key is None or hmac.compare_digest(given.encode(), key.encode())
        if request.url.path.startswith("/v1") and not right:
            return Refused(401, "The key is wrong or missing.", code="invalid_api_key").response()
        return await go_on(request)


def _say_errors(app: FastAPI) -> None:
    """Every error leaves in OpenAI's shape."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        return error.response()

    async def unreadable(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        known = first["type"] != "extra_forbidden"
        message = first["msg"] if known else "This option is not served."
        return Refused(
            400, f"{place}: {message}" if place else message, param=place or None
        ).response()

    async def plain(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return Refused(error.status_code, str(error.detail)).response()

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, unreadable)
    app.add_exception_handler(HTTPException, plain)
