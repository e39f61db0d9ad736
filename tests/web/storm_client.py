"""One labeler's program over plain HTTP, with an outbox: run as a process of its own by the storm.

    python storm_client.py URL TOKEN PROJECT SEED

It labels until the project is done for it, and prints one JSON object: what was acknowledged, and
how often each status came. It needs no part of preftune, as a stranger's program would not.
"""

import http.client
import json
import random
import sys
import time
from collections import Counter
from urllib.parse import urlsplit
from uuid import UUID

AGAIN = 0.05
PATIENCE = 3000.0
"""Seconds without any answer after which it gives up; a starved machine restarts servers slowly."""


class Client:
    def __init__(self, url: str, token: str, dice: random.Random) -> None:
        self.host = urlsplit(url).netloc
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.dice = dice
        self.statuses: Counter[int] = Counter()
        self.lost = 0
        self.connection: http.client.HTTPConnection | None = None

    def once(self, path: str, body: object) -> tuple[int, dict]:
        """One request; raises OSError or HTTPException when no whole answer came."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            self.connection.request("POST", path, json.dumps(body), self.headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        self.statuses[answer.status] += 1
        return answer.status, json.loads(text) if text else {}

    def until_answered(self, path: str, body: object) -> tuple[int, dict]:
        """The outbox: the same request again and again until the server has answered it."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.once(path, body)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > end:
                    raise
                self.lost += 1
                time.sleep(AGAIN * (1 + self.dice.random()))


def label(client: Client, project: str) -> dict[str, str]:
    """Labels what there is; judgment by submission of everything that was acknowledged."""
    acknowledged: dict[str, str] = {}
    while True:
        asked = {"purpose": "work", "render": False}
        status, given = client.until_answered(f"/api/projects/{project}/next", asked)
        if status != 200:
            raise SystemExit(f"next: {status} {given}")
        if given["nothing"]:
            if given["nothing"]["reason"] == "done":
                return acknowledged
            time.sleep(0.2)
            continue
        sent = {
            "submission_id": str(UUID(int=client.dice.getrandbits(128), version=4)),
            "assignment_id": given["assignment"]["id"],
            "lease_token": given["assignment"]["lease_token"],
            "answer": {"choice": client.dice.choice("ab"), "strength": 2},
        }
        for _ in range(2 if client.dice.random() < 0.2 else 1):
            status, receipt = client.until_answered("/api/judgments", sent)
            if status == 200:
                acknowledged[sent["submission_id"]] = receipt["judgment_id"]
            elif status != 410:
                raise SystemExit(f"submit: {status} {receipt}")


def main() -> None:
    url, token, project, seed = sys.argv[1:]
    client = Client(url, token, random.Random(int(seed)))
    acknowledged = label(client, project)
    said = {"acknowledged": acknowledged, "statuses": client.statuses, "lost": client.lost}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
