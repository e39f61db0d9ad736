"""A real HTTP endpoint on this machine that answers as a test wants it to."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log
from typing import Any

from preftune.judging.patience import Clock
from preftune.recipe.judge import Endpoint


@dataclass
class Reply:
    """What is sent back. ``hang`` sends nothing until the test is over; ``dribble`` goes on
    for ever, a byte at a time."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    dribble: bool = False


Behaviour = Callable[[dict[str, Any], int], Reply]
"""The request's body and how many came before it → what is sent back."""


def answer(text: str, tops: Mapping[str, float] | None = None, usage: bool = True) -> Reply:
    """A whole answer; ``tops`` are the first token's probabilities."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}}
    if tops is not None:
        listed = [{"token": token, "logprob": log(p)} for token, p in tops.items()]
        choice["logprobs"] = {"content": [{"token": text, "top_logprobs": listed}]}
    whole: dict[str, Any] = {"choices": [choice]}
    if usage:
        whole["usage"] = {"prompt_tokens": 100, "completion_tokens": 10}
    return Reply(body=json.dumps(whole).encode())


@dataclass
class Serving:
    """A server under way: its address and every body it was sent."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Serving]:
    over = threading.Event()
    lock = threading.Lock()
    state = Serving("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                before = len(state.bodies)
                state.bodies.append(body)
                state.keys.append(self.headers.get("Authorization"))
            reply = behaviour(body, before)
            if reply.hang:
                over.wait(30)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if not reply.dribble:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            try:
                self.wfile.write(reply.body)
                while reply.dribble and not over.wait(0.02):
                    self.wfile.write(b" ")
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield state
    finally:
        over.set()
        server.shutdown()
        thread.join(60)
        server.server_close()


@dataclass
class Patience:
    """A clock on which waiting takes no time and is written down."""

    time: float = 0.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    @property
    def clock(self) -> Clock:
        return Clock(
            now=lambda: self.time, today=lambda: datetime(2026, 1, 1, tzinfo=UTC), sleep=self.sleep
        )


def endpoint(url: str, **settings: Any) -> Endpoint:
    return Endpoint.model_validate({"base_url": url, "model": "judge", **settings})
