"""A labelling site for tests: a real store on disk, the real application, people with sessions."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from preftune.feedback.store import items, people, projects, sessions
from preftune.feedback.store.engine import Store, open_store
from preftune.feedback.store.nouns import NewAnnotator, NewItem, Project, ProjectSettings, Response
from preftune.web import WebSettings, create_app
from preftune.web.who import COOKIE

PATIENCE = 20
"""Seconds in which a server has to end what it is at when it is told to stop."""
BROWSER = {"sec-fetch-site": "same-origin"}
CONVERSATION = [
    {"role": "user", "content": "Can you bake?"},
    {"role": "assistant", "content": "Yes, I can."},
    {"role": "user", "content": "How do I make a good pizza dough at home?"},
]
RULES = [
    {"name": "kind", "text": "The response is kind."},
    {"name": "true", "text": "The response states no falsehoods."},
]
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "comparison": {"reason_tags": ["truer", "shorter"], "confidence": True},
    "rule": {"rules": RULES},
}
RESPONSES = {"comparison": 2, "ranking": 3, "ratings": 2, "demonstration": 0}


@dataclass
class Site:
    """The store, the application over it, and one client for each person."""

    store: Store
    app: FastAPI
    secrets: dict[str, str] = field(default_factory=dict)

    def person(self, name: str, role: Any = "annotator", group: str = "") -> int:
        found = people.add(self.store, NewAnnotator(name, role=role, group=group), actor="test")
        self.secrets[name] = sessions.start(self.store, found.id, agent="a test")
        return found.id

    def client(self, name: str = "") -> TestClient:
        """A browser of this person's; of nobody's without a name. Redirects are not followed."""
        cookies = {COOKIE: self.secrets[name]} if name else {}
        return TestClient(
            self.app,
            cookies=cookies,
            headers=BROWSER,
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    def csrf(self, name: str) -> str:
        session = sessions.find(self.store, self.secrets[name])
        assert session is not None
        return session.csrf


def make_site(folder: Path, settings: WebSettings | None = None) -> Site:
    store = open_store(str(folder / "labels.db"), create=True)
    return Site(store, create_app(store, settings=settings))


def make_project(
    site: Site, kind: str = "comparison", count: int = 6, texts: Sequence[str] = (), **settings: Any
) -> Project:
    """A project named after its kind; each response names the model that wrote it."""
    made = ProjectSettings(
        **{
            "name": kind,
            "kind": kind,
            "question": QUESTIONS.get(kind, {}),
            "instructions": "Be *fair*.",
            "gold_fraction": 0.0,
            **settings,
        }
    )
    project = projects.create(site.store, made, actor="test")
    new = [
        NewItem(
            id=f"secret-name-{place}",
            prompt=CONVERSATION,
            responses=[
                Response(texts[k] if texts else f"Item {place}, text {k}.", f"secret-model-{k}")
                for k in range(RESPONSES.get(kind, 1))
            ],
        )
        for place in range(count)
    ]
    items.add(site.store, project.id, new, actor="test")
    return project


def take(client: TestClient, project: str, purpose: str = "work") -> Any:
    answer = client.post(f"/api/projects/{project}/next", json={"purpose": purpose})
    assert answer.status_code == 200, answer.text
    return answer.json()


def submission(given: Any, answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "submission_id": str(uuid4()),
        "assignment_id": given["assignment"]["id"],
        "lease_token": given["assignment"]["lease_token"],
        "answer": dict(answer),
        "presentation": {"order": given["item"]["order"] or None},
        "active_ms": 4000,
        "wall_ms": 5000,
    }


def judge(client: TestClient, project: str, answer: Mapping[str, Any]) -> Any:
    """Takes the next item and answers it; the receipt."""
    sent = client.post("/api/judgments", json=submission(take(client, project), answer))
    assert sent.status_code == 200, sent.text
    return sent.json()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application on a real port, in a thread; its address."""
    config = uvicorn.Config(
        app, log_level="error", access_log=False, timeout_graceful_shutdown=PATIENCE
    )
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        end = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive() and time.monotonic() < end, "the server did not start"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(2 * PATIENCE)
        assert not thread.is_alive(), "the server did not stop"
