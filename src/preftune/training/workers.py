"""Work done side by side on the processor: threads of Python, each with its share of torch's.

torch lets go of Python's lock while it computes, so threads that each run small operations get
further than one thread whose operations are each split over all cores: the split ones wait for
each other at every operation, and wait long when another program wants a core.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

_count = 1
_inside = threading.local()


def set_workers(count: int) -> None:
    """How many threads :func:`side_by_side` may use, for the whole process, as
    ``torch.set_num_threads`` says it of torch's own."""
    global _count
    _count = count


def workers() -> int:
    """Threads that :func:`side_by_side` would use here: 1 inside one of them."""
    return 1 if getattr(_inside, "worker", False) else _count


def side_by_side(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``function`` of every item, in the items' order. The first exception is raised again.

    ``function`` must not draw from torch's own generator (threads would take turns by chance) and
    must not write what another call reads. Gradient mode is the caller's.
    """
    if workers() == 1 or len(items) < 2:
        return [function(item) for item in items]
    learns = torch.is_grad_enabled()

    def alone(item: T) -> R:
        _inside.worker = True
        with torch.set_grad_enabled(learns):
            return function(item)

    return list(_threads(os.getpid(), workers()).map(alone, items))


@lru_cache(maxsize=1)
def _threads(process: int, count: int) -> ThreadPoolExecutor:
    """The same threads every time: a new one would have to ask for its memory anew. A forked
    process has none of its parent's."""
    return ThreadPoolExecutor(count, thread_name_prefix=f"worker of {process}")


def dealt(items: Sequence[T], count: int, together: int = 1) -> list[list[T]]:
    """The items dealt out in turn to ``count`` lists, ``together`` neighbours to the same one.

    Lists that would be empty are left out.
    """
    units = [items[at : at + together] for at in range(0, len(items), together)]
    hands = [units[k::count] for k in range(min(count, len(units)))]
    return [[item for unit in hand for item in unit] for hand in hands]
