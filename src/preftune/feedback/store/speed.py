"""How fast the store leases items and takes in answers, with many writers at once.

A writer is a labeler of its own with a thread of its own, in one or more processes. In one process
it is what ``preftune label serve`` is: a thread for every request, one open store.
"""

import multiprocessing
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from threading import Thread
from typing import Any

from preftune.feedback.store import events, items, judgments, leases, people, projects
from preftune.feedback.store.engine import Store, open_store
from preftune.feedback.store.nouns import (
    Assignment,
    NewAnnotator,
    NewItem,
    Nothing,
    ProjectSettings,
    Submission,
)
from preftune.records import PreftuneError, RunFailed

ANSWER = {"choice": "a", "strength": 2}
START_SECONDS = 120.0
MISTAKES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """What one round measured. Waits are of whole cycles, in milliseconds."""

    writers: int
    processes: int
    cycles: int
    seconds: float
    median_ms: float
    worst_percent_ms: float
    """99 % of cycles took no longer."""
    errors: int

    @property
    def per_second(self) -> float:
        return self.cycles / self.seconds


def measure(
    url: str, *, writers: int = 16, processes: int = 1, seconds: float = 5.0, overlap: int = 3
) -> Pace:
    """Lease-and-submit cycles a second, each writer a thread and a labeler of its own.

    ``url`` is a new, empty store; the writers are dealt out to the processes. A cycle is two
    writes, and the writer goes on only when each is on the disk. Raises RunFailed when what is
    stored afterwards is not what was acknowledged.
    """
    store = open_store(url, create=True)
    project_id, people_ids = _fill(store, writers, overlap, items_for(writers, seconds, overlap))
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(writers), context.Queue()
    shares = [people_ids[first::processes] for first in range(min(processes, writers))]
    workers = [
        context.Process(
            target=_threads, args=(url, project_id, share, seconds, barrier, results), daemon=True
        )
        for share in shares
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=START_SECONDS + 20 * seconds) for _ in people_ids]
    for worker in workers:
        worker.join(START_SECONDS)
    _check(store, project_id, sum(len(one[0]) for one in found))
    store.close()
    waits = sorted(wait for one in found for wait in one[0])
    if not waits:
        raise RunFailed("No cycle came through.", remedy="; ".join(found[0][2][:MISTAKES_SHOWN]))
    span = max(one[1][1] for one in found) - min(one[1][0] for one in found)
    return Pace(
        writers=writers,
        processes=len(workers),
        cycles=len(waits),
        seconds=span,
        median_ms=1000 * waits[len(waits) // 2],
        worst_percent_ms=1000 * waits[min(int(0.99 * len(waits)), len(waits) - 1)],
        errors=sum(len(one[2]) for one in found),
    )


def items_for(writers: int, seconds: float, overlap: int) -> int:
    """More items than could be judged in the time."""
    return max(int(4_000 * seconds / overlap), 10 * writers)


def _fill(store: Store, writers: int, overlap: int, count: int) -> tuple[int, list[int]]:
    settings = ProjectSettings("speed", "comparison", overlap=overlap)
    project = projects.create(store, settings, actor="bench")
    new = [NewItem(f"{n}", f"Question {n}?", ("Yes.", "No.")) for n in range(count)]
    items.add(store, project.id, new, actor="bench")
    made = [
        people.add(store, NewAnnotator(f"writer-{n}", origin="tool"), actor="bench")
        for n in range(writers)
    ]
    return project.id, [person.id for person in made]


def _threads(
    url: str, project_id: int, share: list[int], seconds: float, barrier: Barrier, results: Any
) -> None:
    """One process: a thread for each of its labelers, on one open store."""
    store = open_store(url)
    threads = [
        Thread(target=_write, args=(store, project_id, person, seconds, barrier, results))
        for person in share
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()


def _write(
    store: Store, project_id: int, person: int, seconds: float, barrier: Barrier, results: Any
) -> None:
    waits: list[float] = []
    errors: list[str] = []
    barrier.wait(START_SECONDS)
    begin = time.monotonic()
    now = begin
    while now - begin < seconds:
        before = now
        try:
            done = cycle(store, project_id, person)
        except PreftuneError as error:
            errors.append(str(error))
            done = None
        now = time.monotonic()
        if done is False:
            break
        if done:
            waits.append(now - before)
    results.put((waits, (begin, now), errors))


def cycle(store: Store, project_id: int, person: int) -> bool | None:
    """One item leased and answered; False when there is none left, None when all are out."""
    given: Assignment | Nothing = leases.take(store, project_id=project_id, annotator_id=person)
    if isinstance(given, Nothing):
        return None if given.reason == "all_assigned" else False
    judgments.submit(
        store, Submission(str(uuid.uuid4()), given.id, given.lease_token, ANSWER, wall_ms=1)
    )
    return True


def _check(store: Store, project_id: int, acknowledged: int) -> None:
    verdict = events.verify(store)
    counts: Sequence[int] = [
        len(judgments.mine(store, project_id, person.id, limit=10**9))
        for person in people.all(store)
    ]
    if not verdict.ok or sum(counts) != acknowledged:
        raise RunFailed(
            f"{acknowledged} answers were acknowledged and {sum(counts)} are stored. "
            f"{verdict.wrong}".strip()
        )
