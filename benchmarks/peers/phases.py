"""Where an iteration's time goes: seconds of an algorithm's own functions, by phase."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

PHASES = {"sample": "generate", "judge": "score", "credit": "credit", "update": "update"}
"""The functions that an on-policy story calls, and what they are called in the table."""


@contextmanager
def timed_phases(work: str) -> Iterator[dict[str, list[float]]]:
    """Inside it, seconds of each call by phase; the algorithm's module is left as it was found."""
    seconds: dict[str, list[float]] = {}
    story = import_module(f"preftune.algorithms.{work}")
    kept = {name: getattr(story, name) for name in PHASES if hasattr(story, name)}

    def timed(function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            found = function(*args, **kwargs)
            seconds.setdefault(phase, []).append(time.perf_counter() - start)
            return found

        return call

    for name, function in kept.items():
        setattr(story, name, timed(function, PHASES[name]))
    try:
        yield seconds
    finally:
        for name, function in kept.items():
            setattr(story, name, function)
