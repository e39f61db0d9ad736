"""What every request passes: who may send it, how large it may be, what the answer allows.

Two layers against cross-site requests. The first is here: a browser says where a request comes
from (Sec-Fetch-Site, or Origin in older ones), and an unsafe one from elsewhere is refused. The
second is a token in every form, checked where the form is read. Programs with a bearer token send
no cookie, so nobody can borrow their login.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preftune.web.settings import WebSettings

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
CSP_REPORTS = "/api/csp-reports"
UPLOADS = "/items"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware: refuses what must not come in, and adds the headers to what goes out."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self.app = app
        self.settings = settings
        self.policy = f"{POLICY}; report-uri {settings.root_path}{CSP_REPORTS}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = under(scope, self.settings.root_path)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        limit = self._limit(scope["path"])
        await self.app(scope, _limited(receive, limit), send_guarded)

    def _add_headers(self, headers: MutableHeaders, path: str) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        headers["Content-Security-Policy"] = self.policy
        if "/static/" not in path:
            headers.setdefault("Cache-Control", "no-store")

    def _limit(self, path: str) -> int:
        large = path.rstrip("/").endswith(UPLOADS)
        return self.settings.largest_upload if large else self.settings.largest_body

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """The answer to a request that must not reach the application, or None."""
        if scope["method"] in SAFE_METHODS:
            return None
        headers = Headers(scope=scope)
        path: str = scope["path"].removeprefix(self.settings.root_path)
        if path == CSP_REPORTS:
            return None
        if not same_origin(headers, self._own_origins(scope, headers)):
            return _error(403, "cross_site", "This request came from another site.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._limit(path):
            return _error(413, "too_large", f"At most {self._limit(path):,} bytes.")
        sort = headers.get("content-type", "").partition(";")[0].strip().lower()
        has_body = length != "0" or "transfer-encoding" in headers
        if path.startswith("/api/") and has_body and sort != "application/json":
            return _error(415, "not_json", "Send application/json.")
        return None

    def _own_origins(self, scope: Scope, headers: Headers) -> set[str]:
        own = {f"{scope['scheme']}://{headers.get('host', '')}".lower()}
        if self.settings.public_url:
            parts = urlsplit(self.settings.public_url)
            own.add(f"{parts.scheme}://{parts.netloc}".lower())
        return own


def under(scope: Scope, prefix: str) -> Scope:
    """The request as ASGI wants it behind a proxy: ``path`` begins with ``root_path``.

    Some proxies cut the prefix off, some leave it; both come out the same.
    """
    path: str = scope["path"]
    if not prefix:
        return scope
    if path != prefix and not path.startswith(f"{prefix}/"):
        path = prefix + path
    return {**scope, "root_path": prefix, "path": path, "raw_path": path.encode()}


def same_origin(headers: Headers, own: Iterable[str]) -> bool:
    """Whether an unsafe request comes from a page of ours, or from a program with a token.

    Sec-Fetch-Site decides where a browser sends it; else Origin does; with neither, only a
    request without a cookie passes, which acts for nobody.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() in own
    return "cookie" not in headers


class _TooLarge(Exception):
    """More bytes than announced or allowed."""


def _limited(receive: Receive, limit: int) -> Receive:
    """Also for a body sent in chunks, whose length nobody announced."""
    seen = 0

    async def receive_limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _TooLarge
        return message

    return receive_limited


def _error(status: int, what: str, sentence: str) -> JSONResponse:
    return JSONResponse({"error": {"what": what, "sentence": sentence}}, status_code=status)
