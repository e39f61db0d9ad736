"""The live server under many clients, and killed under them: nothing lost, nothing twice."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from preftune.feedback.store import events, items, people, projects, sessions
from preftune.feedback.store.engine import Store, open_store
from preftune.feedback.store.nouns import NewAnnotator, NewItem, ProjectSettings

CLIENT = Path(__file__).with_name("storm_client.py")
WAIT = 600
"""Seconds after which a process that has not answered or ended is a failure."""
KILLS = ("judgment.before_insert", "judgment.before_commit", "judgment.after_commit")


def prepared(path: Path, *, clients: int, count: int, overlap: int) -> list[str]:
    """A store with one project, and a token for each client."""
    store = open_store(str(path), create=True)
    settings = ProjectSettings(
        name="storm", kind="comparison", overlap=overlap, lease_seconds=5.0, gold_fraction=0.0
    )
    project = projects.create(store, settings, actor="test")
    new = (NewItem(f"item-{n}", f"prompt {n}", [f"a {n}", f"b {n}"]) for n in range(count))
    items.add(store, project.id, new, actor="test")
    tokens = []
    for n in range(clients):
        who = people.add(store, NewAnnotator(f"client {n}", origin="tool"), actor="test")
        tokens.append(sessions.issue_token(store, who.id, scopes=("label",), actor="test"))
    store.close()
    return tokens


def free_port() -> int:
    """A port that stays free while a server is restarted: below those given out on request."""
    for port in random.SystemRandom().sample(range(15_000, 30_000), 50):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


class Weather:
    """The processes of one storm. None outlives it, and nothing waits for ever."""

    def __init__(self, path: Path) -> None:
        self.path, self.port = path, free_port()
        self.started: list[subprocess.Popen[str]] = []
        self.server: subprocess.Popen[str]
        self.complaints = path.with_suffix(".stderr")

    def __enter__(self) -> "Weather":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            process.kill()
            process.wait(60)

    def start(self, command: list[str], failpoint: str = "") -> subprocess.Popen[str]:
        """A process that writes to files: a pipe that nobody reads would stop it when full."""
        out = self.path.with_name(f"out-{len(self.started)}")
        with open(out, "w") as said, open(self.complaints, "a") as complaints:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, "PREFTUNE_FAILPOINT": failpoint},
                stdout=said,
                stderr=complaints,
                text=True,
            )
        self.started.append(process)
        return process

    def serve(self, failpoint: str = "") -> None:
        """The real command, once it answers (or is killed by its failpoint)."""
        words = ["label", "serve", str(self.path), "--port", str(self.port), "--json"]
        self.server = self.start(["-m", "preftune", *words], failpoint)
        end = time.monotonic() + WAIT
        while self.server.poll() is None:
            assert time.monotonic() < end, "the server answers nothing"
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=30)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
        assert self.server.returncode == -signal.SIGKILL, self.complaints.read_text()[-2000:]

    def clients(self, tokens: list[str]) -> list[int]:
        """One process for each token; their places among the started."""
        url, first = f"http://127.0.0.1:{self.port}", len(self.started)
        for seed, token in enumerate(tokens):
            self.start([str(CLIENT), url, token, "storm", str(seed)])
        return list(range(first, first + len(tokens)))

    def replies(self, clients: list[int]) -> list[dict[str, Any]]:
        for place in clients:
            code = self.started[place].wait(WAIT)
            assert code == 0, self.complaints.read_text()[-2000:]
        return [json.loads(self.path.with_name(f"out-{place}").read_text()) for place in clients]

    def killed(self) -> None:
        assert self.server.wait(WAIT) == -signal.SIGKILL

    def stopped(self) -> str:
        """What the servers complained of, the last one interrupted."""
        self.server.send_signal(signal.SIGINT)
        self.server.wait(60)
        return self.complaints.read_text()


def check(store: Store, said: list[dict[str, Any]], *, count: int, overlap: int) -> None:
    """Every acknowledged answer is there once; every item has exactly its judgments."""
    with store.reading() as connection:
        rows = connection.execute(
            text("SELECT submission_id, judgment_id, item_id, annotator_id, status FROM judgment")
        ).all()
        whole = connection.execute(text("PRAGMA integrity_check")).scalar_one()
    assert whole == "ok" and events.verify(store).ok
    stored = {row.submission_id: row.judgment_id for row in rows}
    assert len(stored) == len(rows)
    for one in said:
        for submission, judgment in one["acknowledged"].items():
            assert stored[submission] == judgment
    counted = [row for row in rows if row.status != "surplus"]
    assert Counter(Counter(row.item_id for row in counted).values()) == {overlap: count}
    assert len({(row.item_id, row.annotator_id) for row in rows}) == len(rows)


def statuses(said: list[dict[str, Any]]) -> Counter[str]:
    return sum((Counter(one["statuses"]) for one in said), Counter())


def storm(path: Path, *, clients: int, count: int, overlap: int) -> None:
    tokens = prepared(path, clients=clients, count=count, overlap=overlap)
    with Weather(path) as weather:
        weather.serve()
        said = weather.replies(weather.clients(tokens))
        errors = weather.stopped()
    assert "Traceback" not in errors and "locked" not in errors, errors[-2000:]
    store = open_store(str(path))
    check(store, said, count=count, overlap=overlap)
    store.close()
    assert set(statuses(said)) == {"200"}
    assert sum(len(one["acknowledged"]) for one in said) == count * overlap
    assert sum(one["lost"] for one in said) == 0


def test_a_small_storm(tmp_path: Path) -> None:
    storm(tmp_path / "labels.db", clients=4, count=15, overlap=2)


@pytest.mark.proof
def test_32_processes_label_500_items_three_times(tmp_path: Path) -> None:
    storm(tmp_path / "labels.db", clients=32, count=500, overlap=3)


@pytest.mark.proof
def test_a_server_that_is_killed_loses_no_acknowledged_answer(tmp_path: Path) -> None:
    """SIGKILL at every failpoint and at ten random moments; the clients replay their outbox."""
    path, count, overlap, dice = tmp_path / "labels.db", 120, 3, random.Random(7)
    tokens = prepared(path, clients=8, count=count, overlap=overlap)
    with Weather(path) as weather:
        weather.serve(f"{KILLS[0]}:5")
        running = weather.clients(tokens)
        for name in (*KILLS[1:], *KILLS):
            weather.killed()
            weather.serve(f"{name}:{dice.randint(2, 9)}")
        weather.killed()
        for _ in range(10):
            weather.serve()
            time.sleep(dice.uniform(0.0, 0.8))
            weather.server.kill()
            weather.killed()
        weather.serve()
        said = weather.replies(running)
        errors = weather.stopped()
    assert "Traceback" not in errors, errors[-2000:]
    store = open_store(str(path))
    check(store, said, count=count, overlap=overlap)
    store.close()
    assert sum(one["lost"] for one in said) > 0, "nobody noticed the kills"
    assert {status for status in statuses(said) if status >= "500"} == set()
