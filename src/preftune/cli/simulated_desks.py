"""The desks simulated labelers sit at: the store itself, or the app's HTTP API."""

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

import httpx

from preftune.feedback.population import Annotator as Simulated
from preftune.feedback.simulating import Simulation
from preftune.feedback.store import fixed, items, judgments, leases, people, sessions
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import Unknown
from preftune.feedback.store.nouns import (
    Annotator,
    Assignment,
    Item,
    NewAnnotator,
    Project,
    Submission,
)
from preftune.records import BadInput, RunFailed

SECONDS = 60.0
TRIES = 3


def labelers_of(
    store: Store, simulation: Simulation, population: str, actor: str
) -> list[tuple[Simulated, Annotator]]:
    """Each simulated labeler with an account of origin tool, made where it is missing."""
    found = []
    for person in simulation.pool:
        name = f"simulated-{population}-{simulation.seed}-{person.name}"
        try:
            account = people.named(store, name)
        except Unknown:
            version = f"{population}, seed {simulation.seed}"
            new = NewAnnotator(name, group=person.group, origin="tool", version=version)
            account = people.add(store, new, actor=actor)
        found.append((person, account))
    return found


class StoreDesk:
    """A desk in the store itself."""

    def __init__(self, store: Store, project: Project, account: Annotator) -> None:
        self.store, self.project, self.account = store, project, account

    def take(self) -> tuple[Item, tuple[int, ...], Any] | None:
        given = leases.take(self.store, project_id=self.project.id, annotator_id=self.account.id)
        return (given.item, given.order, given) if isinstance(given, Assignment) else None

    def submit(self, slip: Any, submission_id: str, answer: Mapping[str, Any]) -> str:
        sent = Submission(submission_id, slip.id, slip.lease_token, answer)
        return judgments.submit(self.store, sent).status


class HttpDesk:
    """A desk behind the app's HTTP API. The judge reads the item's hidden columns in the store."""

    def __init__(
        self, store: Store, project: Project, account: Annotator, server: str, actor: str
    ) -> None:
        self.store, self.project = store, project
        token = sessions.issue_token(store, account.id, scopes=("label",), actor=actor)
        self.token, self.actor = token, actor
        self.client = httpx.Client(
            base_url=server.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=SECONDS,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        sessions.revoke_token(self.store, self.token.split("_")[1], actor=self.actor)

    def take(self) -> tuple[Item, tuple[int, ...], Any] | None:
        name = quote(self.project.name, safe="")
        given = self._post(f"/api/projects/{name}/next", {"purpose": "work"})
        if given.get("assignment") is None:
            return None
        slip = {**given["assignment"], "order": given["item"]["order"]}
        item = items.by_number(self.store, fixed.owner(self.store, slip["id"]).item_id)
        return item, tuple(slip["order"]), slip

    def submit(self, slip: Any, submission_id: str, answer: Mapping[str, Any]) -> str:
        body = {
            "submission_id": submission_id,
            "assignment_id": slip["id"],
            "lease_token": slip["lease_token"],
            "answer": dict(answer),
            "presentation": {"order": slip["order"], "ui_version": "simulate"},
        }
        return str(self._post("/api/judgments", body)["status"])

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Sends; a request without an answer is sent again, which is safe."""
        for attempt in range(TRIES):
            try:
                answer = self.client.post(path, json=body)
            except httpx.TransportError as error:
                if attempt == TRIES - 1:
                    raise RunFailed(
                        f"The app does not answer: {error}.",
                        remedy="Start it with `preftune label serve`; then run this again.",
                    ) from error
                continue
            if answer.is_success:
                return answer.json()
            raise BadInput(f"The app refused {path}: {answer.status_code} {answer.text[:200]}")
        raise AssertionError("unreachable")
