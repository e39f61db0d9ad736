"""Processes that write to one store: what storms and kills are made of. Run by name, spawned."""

import json
import multiprocessing
import os
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preftune.feedback.store import engine, judgments, leases, line
from preftune.feedback.store.nouns import Assignment, Nothing, Submission
from tests.feedback import made

WAIT = 600.0


def storm(
    url: str, project: int, people: Sequence[int], *, begin: str = line.WRITE_BEGIN
) -> tuple[list[dict[str, Any]], list[str]]:
    """Every person a process, until nothing is left; acknowledged receipts and errors.

    Without BEGIN IMMEDIATE all stop at the first error: what it left leased would be waited for.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.feedback.store.writers"])
    results: Any = context.Queue()
    start, failed = context.Barrier(len(people)), context.Event()
    more = (begin, start, failed, results)
    workers = [
        context.Process(target=_label, args=(url, project, one, *more), daemon=True)
        for one in people
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=WAIT) for _ in workers]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0, worker
    return [a for acked, _ in found for a in acked], [e for _, errors in found for e in errors]


def _label(
    url: str, project: int, person: int, begin: str, start: Any, failed: Any, results: Any
) -> None:
    deferred = begin != line.WRITE_BEGIN
    line.WRITE_BEGIN = begin
    if deferred:
        line.fcntl = None  # type: ignore[assignment]
    store = engine.open_store(url)
    acked: list[dict[str, Any]] = []
    errors: list[str] = []
    start.wait(WAIT)
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and not (deferred and failed.is_set()):
        try:
            given = leases.take(store, project_id=project, annotator_id=person)
            if isinstance(given, Nothing):
                if given.reason == "done":
                    break
                time.sleep(0.01)
                continue
            sent = Submission(str(uuid.uuid4()), given.id, given.lease_token, made.A)
            receipt = judgments.submit(store, sent)
            if int(sent.submission_id[0], 16) < 3:  # one in five is sent twice
                assert judgments.submit(store, sent).replayed
            acked.append({"id": receipt.judgment_id, "item": given.item.number})
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
            failed.set()
            if len(errors) > 200:
                break
    store.close()
    results.put((acked, errors))


def main() -> None:
    """``URL PROJECT PERSON OUTBOX``: labels with an outbox on disk until nothing is left.

    A line is written to the outbox before sending, and another after the acknowledgement. What the
    outbox holds unacknowledged is sent first.
    """
    url, project, person, outbox = sys.argv[1:]
    store = engine.open_store(url)
    path = Path(outbox)
    sent, acked = read_outbox(path)
    with open(path, "a", encoding="utf-8") as out:

        def note(**what: Any) -> None:
            out.write(json.dumps(what) + "\n")
            out.flush()
            os.fsync(out.fileno())

        for name, body in sent.items():
            if name not in acked:
                judgments.submit(store, Submission(name, *body, made.A))
                note(acked=name)
        while True:
            given = leases.take(store, project_id=int(project), annotator_id=int(person))
            if not isinstance(given, Assignment):
                break
            name = str(uuid.uuid4())
            note(sent=name, body=[given.id, given.lease_token])
            judgments.submit(store, Submission(name, given.id, given.lease_token, made.A))
            note(acked=name)
    store.close()


def read_outbox(path: Path) -> tuple[dict[str, list[Any]], set[str]]:
    """What was sent, and what of it was acknowledged."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    sent = {row["sent"]: row["body"] for row in rows if "sent" in row}
    return sent, {row["acked"] for row in rows if "acked" in row}


if __name__ == "__main__":
    main()
