"""Seconds, processor seconds and memory of a process, step by step."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")


def now() -> tuple[float, float]:
    """Seconds by the clock, and of this process's threads on a processor."""
    return time.perf_counter(), time.process_time()


class Stopwatch:
    """``begin`` when all is loaded, ``step`` after every optimizer step, ``end`` at the last.

    Work that is done once for all rows, such as the reference's log-probabilities, goes into
    ``once``, which may stand before ``begin`` or after it: its seconds are in no step.
    """

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []
        self.apart = [0.0, 0.0]
        self.loaded_bytes = self.peak_bytes = 0
        self._inside = [0.0, 0.0]

    def begin(self) -> None:
        self.loaded_bytes = resident_bytes()
        _forget_peak()
        self._mark()

    def step(self) -> None:
        self._mark()

    def end(self) -> None:
        self.peak_bytes = peak_bytes()

    @contextmanager
    def once(self) -> Iterator[None]:
        """Once for all rows: left out of the steps, reported by itself."""
        start = now()
        yield
        spent = [after - before for before, after in zip(start, now(), strict=True)]
        self.apart = [a + b for a, b in zip(self.apart, spent, strict=True)]
        if self.marks:
            self._inside = [a + b for a, b in zip(self._inside, spent, strict=True)]

    def told(self) -> dict[str, Any]:
        """The measurements as JSON."""
        pairs = list(zip(self.marks, self.marks[1:], strict=False))
        return {
            "steps": [{"wall": b[0] - a[0], "cpu": b[1] - a[1]} for a, b in pairs],
            "once": {"wall": self.apart[0], "cpu": self.apart[1]},
            "loaded_bytes": self.loaded_bytes,
            "peak_bytes": self.peak_bytes,
        }

    def _mark(self) -> None:
        wall, cpu = now()
        self.marks.append((wall - self._inside[0], cpu - self._inside[1]))


def resident_bytes() -> int:
    """What this process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def peak_bytes() -> int:
    """The most it held since the peak was last forgotten."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_peak() -> None:
    """Linux forgets a process's peak when 5 is written here; elsewhere the peak stays."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
