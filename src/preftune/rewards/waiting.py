"""Waiting for what ``async`` functions return, all of one batch together."""

import asyncio
import inspect
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def wait_for_all(answers: Sequence[Any]) -> list[Any]:
    """Each answer itself, or what it gives once waited for; those that wait, wait at one time.

    They run in a thread of their own, so that this also works where an event loop is running.
    The first error ends the others and is raised.
    """
    places = [place for place, answer in enumerate(answers) if inspect.isawaitable(answer)]
    if not places:
        return list(answers)

    async def together() -> list[Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_one(answers[place])) for place in places]
        return [task.result() for task in tasks]

    done = list(answers)
    with ThreadPoolExecutor(1) as thread:
        try:
            found = thread.submit(asyncio.run, together()).result()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
    for place, value in zip(places, found, strict=True):
        done[place] = value
    return done


async def _one(answer: Any) -> Any:
    return await answer
