"""Writes without a thread each: the event loop hands them in, and goes on when they are safe.

A thread for every waiting request costs more than the requests themselves. On SQLite all of them
wait in the store's one line, so its own thread does the work and tells the loop once a commit. On
PostgreSQL, where transactions run side by side, they have threads.
"""

import asyncio
from contextlib import suppress
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from preftune.feedback.store.engine import Errand, Store
from preftune.feedback.store.line import Job

T = TypeVar("T")


async def carried_out(store: Store, errand: Errand[T]) -> T:
    """What the errand gives, once it is on the disk. Raises what ``Store.write`` raises."""
    if store.line is None:
        return await run_in_threadpool(store.carry_out, errand)
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    job = store.write_later(errand.work, _tell, told)
    await told
    return errand.after(store.outcome(job))


def _tell(jobs: list[Job]) -> None:
    """From the thread that committed: one call for each loop."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for job in jobs:
        loops.setdefault(job.owner.get_loop(), []).append(job.owner)
    for loop, told in loops.items():
        with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
            loop.call_soon_threadsafe(_resolve, told)


def _resolve(told: list["asyncio.Future[None]"]) -> None:
    for one in told:
        if not one.done():
            one.set_result(None)
