"""``metrics.jsonl``: one JSON object a step, whole lines only, no step twice.

A line is written with one system call, so a killed process leaves whole lines; only a failing
machine can tear the last one, and whoever opens the file next cuts that off.
"""

import errno
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from preftune.monitoring.metrics import describe
from preftune.records import BadInput, RunFailed


def _nothing() -> None:
    pass


class MetricsFile:
    """Appends rows with strictly increasing steps; a torn last line is cut off on opening.

    ``before_append`` is called before each row is written (a failpoint in the tests of resuming).
    RunFailed when the disk refuses: the file then ends with its last whole row.
    """

    def __init__(self, path: str | Path, before_append: Callable[[], None] = _nothing) -> None:
        self.path = Path(path)
        self.before_append = before_append
        with _disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._descriptor: int | None = os.open(self.path, flags, 0o666)
        self.last_step: int | None = None
        self.truncate_after(None)

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Writes the row of one step; every value known of a step belongs in one call.

        ValueError for a name that is no metric (see ``describe``) and for a step that is not
        after the last one. NaN and infinities become null and are named under ``nonfinite``.
        """
        for name in values:
            describe(name)
        if self.last_step is not None and step <= self.last_step:
            raise ValueError(f"step {step} comes after step {self.last_step} was written")
        line = json.dumps(metrics_row(step, values), allow_nan=False).encode() + b"\n"
        self.before_append()
        descriptor = self._open()
        size = os.fstat(descriptor).st_size
        with _disk_errors(self.path):
            try:
                left = memoryview(line)
                while left:
                    left = left[os.write(descriptor, left) :]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        self.last_step = step

    def truncate_after(self, step: int | None) -> None:
        """Drops every row after ``step`` (None drops none) and a torn last line.

        The file is shortened in place, in one system call: rows are in order, so what is to go
        is its end. It needs no room on the disk.
        """
        end, self.last_step = 0, None
        for row, after in _rows(self.path):
            if step is not None and row["step"] > step:
                break
            if self.last_step is not None and row["step"] <= self.last_step:
                raise BadInput(
                    f"Step {row['step']} stands after step {self.last_step}.",
                    file=self.path,
                    remedy="The file was edited, or written by two runs; move it away.",
                )
            end, self.last_step = after, row["step"]
        descriptor = self._open()
        with _disk_errors(self.path):
            if os.fstat(descriptor).st_size != end:
                os.ftruncate(descriptor, end)
                os.fsync(descriptor)

    def sync(self) -> None:
        """Forces the rows to the disk; call it before a checkpoint is published."""
        with _disk_errors(self.path):
            os.fsync(self._open())

    def close(self) -> None:
        """Forces the rows to the disk and closes the file; a second call does nothing."""
        if self._descriptor is None:
            return
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> int:
        if self._descriptor is None:
            raise ValueError(f"{self.path} is closed")
        return self._descriptor


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a metrics file, in order; a torn last line is left out.

    Each has ``step`` (int), the values (float, int, or None where not finite) and, where some
    were not finite, ``nonfinite`` (their names). BadInput for any other line that is no row.
    """
    return [row for row, _ in _rows(Path(path))]


def metrics_row(step: int, values: Mapping[str, float]) -> dict[str, Any]:
    """What is written of a step, and what ``read_metrics`` gives back of it."""
    row: dict[str, Any] = {"step": int(step)}
    nonfinite = []
    for name, value in values.items():
        number = value if isinstance(value, int) else float(value)
        finite = math.isfinite(number)
        row[name] = (int(number) if isinstance(number, int) else number) if finite else None
        if not finite:
            nonfinite.append(name)
    return row | ({"nonfinite": nonfinite} if nonfinite else {})


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Each row with the byte after its line end."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise BadInput(f"The metrics cannot be read: {error.strerror}.", file=path) from error
    end = 0
    for number, line in enumerate(lines, start=1):
        row = _parsed(line)
        if row is None and number == len(lines):
            return
        if row is None:
            raise BadInput(
                "This line is no row of metrics.",
                file=path,
                line=number,
                remedy="The file was edited or damaged; mend or move it.",
            )
        end += len(line)
        yield row, end


def _parsed(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise RunFailed(
                "The disk is full (or a quota or file size limit is reached).",
                file=path,
                remedy="Free some space and run the same command again; it continues.",
            ) from error
        raise RunFailed(f"Writing metrics failed: {error.strerror}.", file=path) from error
