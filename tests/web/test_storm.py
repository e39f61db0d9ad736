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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from preftune.feedback.store import events, items, people, projects, sessions
from preftune.feedback.store.engine import Store, open_store
from preftune.feedback.store.nouns import NewAnnotator, NewItem, ProjectSettings

CLIENT = Path(__file__).with_name("storm_client.py")
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(path: Path, port: int, more: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The real command, once it answers (or is killed by its failpoint)."""
    command = [sys.executable, "-m", "preftune", "label", "serve", str(path), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--json"],
        env={**os.environ, **(more or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            break
    return process


def clients_at(port: int, tokens: list[str]) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, str(CLIENT), f"http://127.0.0.1:{port}", token, "storm", str(seed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed, token in enumerate(tokens)
    ]


def replies(running: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    found = []
    for process in running:
        out, err = process.communicate()
        assert process.returncode == 0, err
        found.append(json.loads(out))
    return found


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


def stopped(server: subprocess.Popen[str]) -> str:
    server.send_signal(signal.SIGINT)
    return server.communicate()[1]


def storm(path: Path, *, clients: int, count: int, overlap: int) -> None:
    tokens = prepared(path, clients=clients, count=count, overlap=overlap)
    port = free_port()
    server = serve(path, port)
    said = replies(clients_at(port, tokens))
    errors = stopped(server)
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
    port = free_port()
    server = serve(path, port, {"PREFTUNE_FAILPOINT": f"{KILLS[0]}:5"})
    running = clients_at(port, tokens)
    for name in (*KILLS[1:], *KILLS):
        assert server.wait() == -signal.SIGKILL
        server.communicate()
        server = serve(path, port, {"PREFTUNE_FAILPOINT": f"{name}:{dice.randint(2, 9)}"})
    assert server.wait() == -signal.SIGKILL
    for _ in range(10):
        server.communicate()
        server = serve(path, port)
        time.sleep(dice.uniform(0.0, 0.8))
        server.kill()
        server.wait()
    server.communicate()
    server = serve(path, port)
    said = replies(running)
    errors = stopped(server)
    assert "Traceback" not in errors, errors[-2000:]
    store = open_store(str(path))
    check(store, said, count=count, overlap=overlap)
    store.close()
    assert sum(one["lost"] for one in said) > 0, "nobody noticed the kills"
    assert {status for status in statuses(said) if status >= "500"} == set()
