"""How fast the labelling app is: cycles a second over HTTP, and from a key to the next item."""

import http.client
import json
import math
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preftune.records import BadInput, RunFailed

START_SECONDS = 120.0
KEYS = 60
"""Items labelled by keyboard in one round."""

ARRIVED = """(count) => new Promise((resolve, reject) => {
  const late = Date.now() + 30_000;
  const look = () => {
    if (window.took.length >= count) resolve();
    else if (Date.now() > late) reject(new Error("no next item within 30 seconds"));
    else setTimeout(look, 10);
  };
  look();
})"""
"""Waits in the page: Playwright's own waiting evaluates text there, which the page forbids."""

PAINTED = """
() => {
  window.took = [];
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const before = document.querySelector("#responses").textContent;
    const look = () => {
      if (document.querySelector("#responses").textContent === before) requestAnimationFrame(look);
      else requestAnimationFrame(() => { window.took.push(performance.now() - event.timeStamp); });
    };
    requestAnimationFrame(look);
  }, {capture: true});
}
"""
"""From the key's own time stamp to the frame after the one that has the next item."""


@dataclass(frozen=True, slots=True)
class HttpPace:
    """What one round over HTTP measured."""

    cycles: int
    seconds: float
    server_ms: float
    """Processor time of the server, a cycle; NaN where the system does not tell."""
    clients_ms: float

    @property
    def per_second(self) -> float:
        return self.cycles / self.seconds


def http_rounds(asked: Mapping[str, Any]) -> list[HttpPace]:
    """Lease-and-submit cycles over HTTP: the real server, clients as processes."""
    more = (asked["workers"], asked["seconds"], asked["data"])
    return [_http_round(*more) for _ in range(asked["rounds"])]


def key_rounds(asked: Mapping[str, Any]) -> list[list[float]]:
    """Milliseconds from Enter to the next item on the screen, in Chromium; one list a round.

    Raises BadInput where playwright or Chromium is missing.
    """
    return [_key_round() for _ in range(asked["rounds"])]


def _http_round(clients: int, seconds: float, place: Path | None) -> HttpPace:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        count = int(2_000 * seconds / 3) + clients
        path, secrets = _prepared(Path(folder) / "labels.db", clients, count, token=True)
        with _server(path) as (port, server):
            context = multiprocessing.get_context("spawn")
            barrier, results = context.Barrier(clients + 1), context.Queue()
            workers = [
                context.Process(
                    target=_label, args=(port, secret, seconds, barrier, results), daemon=True
                )
                for secret in secrets
            ]
            for worker in workers:
                worker.start()
            barrier.wait(START_SECONDS)
            begun, before = time.monotonic(), _processor_seconds(server)
            done = [results.get(timeout=START_SECONDS + 10 * seconds) for _ in workers]
            took, spent = time.monotonic() - begun, _processor_seconds(server) - before
            for worker in workers:
                worker.join(START_SECONDS)
    faults = [fault for _, _, fault in done if fault]
    if faults:
        raise RunFailed(f"A client was refused: {faults[0]}.")
    cycles = sum(cycles for cycles, _, _ in done)
    clients_spent = sum(spent for _, spent, _ in done)
    each = 1000 / max(cycles, 1)
    return HttpPace(cycles, took, each * spent, each * clients_spent)


def _processor_seconds(pid: int) -> float:
    """What a process has spent so far, in its own code and in the system's; NaN if unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Connection:
    """One that is kept, with nothing but POST of JSON; http.client costs as much as the server."""

    def __init__(self, port: int, secret: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {secret}\r\n"
            "Content-Type: application/json\r\nContent-Length:"
        )

    def post(self, path: str, body: Any) -> Any:
        """The answer's JSON. Raises RunFailed when it is another status than 200."""
        written = json.dumps(body)
        request = f"POST {path} {self._head} {len(written)}\r\n\r\n{written}"
        self._socket.sendall(request.encode())
        got = b""
        while (end := got.find(b"\r\n\r\n")) < 0:
            got += self._more()
        head = got[:end].lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        while len(got) < end + 4 + length:
            got += self._more()
        if not head.startswith(b"http/1.1 200"):
            raise RunFailed(f"{got[:300]!r}")
        return json.loads(got[end + 4 :])

    def _more(self) -> bytes:
        got = self._socket.recv(1 << 16)
        if not got:
            raise RunFailed("The server hung up.")
        return got


def _label(port: int, secret: str, seconds: float, barrier: Any, results: Any) -> None:
    """One client, for so many seconds; how many cycles it made, their cost, and what went wrong."""
    cycles, begun = 0, time.process_time()
    try:
        connection = _Connection(port, secret)
        barrier.wait(START_SECONDS)
        end, begun = time.monotonic() + seconds, time.process_time()
        while time.monotonic() < end:
            given = connection.post("/api/projects/bench/next", {"render": False})
            if given["nothing"]:
                raise RunFailed(f"nothing left: {given['nothing']['reason']}")
            sent = {
                "submission_id": str(uuid.uuid4()),
                "assignment_id": given["assignment"]["id"],
                "lease_token": given["assignment"]["lease_token"],
                "answer": {"choice": "a", "strength": 2},
            }
            connection.post("/api/judgments", sent)
            cycles += 1
        results.put((cycles, time.process_time() - begun, ""))
    except Exception as error:
        results.put((cycles, time.process_time() - begun, str(error)))


def _key_round() -> list[float]:
    from preftune.web.who import COOKIE

    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        remedy = "pip install playwright, and Chromium with your system's packages."
        raise BadInput("There is no browser to measure with.", remedy=remedy) from None
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path, (secret,) = _prepared(Path(folder) / "labels.db", 1, KEYS + 5, token=False)
        with _server(path) as (port, _):
            url, chromium = (
                f"http://127.0.0.1:{port}",
                os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            )
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            context.add_cookies([{"name": COOKIE, "value": secret, "url": url}])
            page = context.new_page()
            page.goto(f"{url}/p/bench/label")
            page.wait_for_selector("#submit", state="visible")
            took = _pressed(page)
            browser.close()
    return took


def _pressed(page: Any) -> list[float]:
    """Labels KEYS items by keyboard; how long each took from the key to the paint."""
    page.evaluate(PAINTED)
    for done in range(1, KEYS + 1):
        page.wait_for_timeout(250)  # the next item is being fetched while one reads
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        page.evaluate(ARRIVED, done)
    took: list[float] = page.evaluate("window.took")
    return took


def _prepared(path: Path, people_count: int, count: int, *, token: bool) -> tuple[Path, list[str]]:
    """A store with one project of comparisons, and a token or a session for each person."""
    from preftune.feedback.store import items, people, projects, sessions
    from preftune.feedback.store.engine import open_store
    from preftune.feedback.store.nouns import NewAnnotator, NewItem, ProjectSettings

    store = open_store(str(path), create=True)
    settings = ProjectSettings(name="bench", kind="comparison", overlap=3, gold_fraction=0.0)
    project = projects.create(store, settings, actor="bench")
    text = "A response of **two sentences**, as they are. It says the same in other words. " * 4
    new = (
        NewItem(f"{n}", f"Question {n}?", [f"{n} a {text}", f"{n} b {text}"]) for n in range(count)
    )
    items.add(store, project.id, new, actor="bench")
    secrets = []
    for n in range(people_count):
        who = people.add(store, NewAnnotator(f"client {n}", origin="tool"), actor="bench")
        secrets.append(
            sessions.issue_token(store, who.id, scopes=("label",), actor="bench")
            if token
            else sessions.start(store, who.id)
        )
    store.close()
    return path, secrets


@contextmanager
def _server(path: Path) -> Iterator[tuple[int, int]]:
    """The real command on a free port, once it answers; the port and its process's number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "preftune", "label", "serve", str(path), "--port", str(port)]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RunFailed("The server did not start.")
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
