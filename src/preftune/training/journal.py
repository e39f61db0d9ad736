"""What a training story writes down: a row of metrics a step, checkpoints, progress."""

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from preftune.artifacts import failpoint
from preftune.monitoring import (
    Bar,
    Console,
    MetricsFile,
    Sink,
    Sinks,
    metrics_row,
    read_metrics,
)
from preftune.training.checkpoint import (
    Tensors,
    complete_checkpoints,
    load_checkpoint,
    save_checkpoint,
    step_of,
)
from preftune.training.step import Training

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints inside a stage's folder; it goes when the stage's work is done."""


class Journal:
    """Bound to one stage's folder; a context manager that closes its sinks."""

    def __init__(
        self, folder: Path, console: Console, checkpoint_every: int, sinks: tuple[Sink, ...] = ()
    ) -> None:
        self.folder = folder
        self.console = console
        self.checkpoint_every = checkpoint_every
        self._metrics = MetricsFile(
            folder / "metrics.jsonl", lambda: failpoint("metrics.before_append")
        )
        self._sinks = Sinks([self._metrics, *sinks], console.line)
        self.history: list[dict[str, Any]] = []
        """The rows recorded so far, as they stand in the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sinks.close()

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS

    def resume(self, training: Training) -> tuple[int, dict[str, Any], Tensors]:
        """Goes back to the last checkpoint: its step, state and tensors; step 0 when none is.

        Rows of metrics after it are dropped, so that no step is written twice.
        """
        complete = complete_checkpoints(self.checkpoints)
        if not complete:
            self._metrics.truncate_after(-1)
            return 0, {}, {}
        step, state, extra = load_checkpoint(complete[-1], training)
        self._metrics.truncate_after(step)
        self.history = read_metrics(self._metrics.path)
        self.console.line(f"continuing after step {step}")
        return step, state, extra

    def record(self, step: int, values: Mapping[str, float]) -> None:
        """One row; every value known of a step belongs in one call."""
        self._sinks.append(step, values)
        self.history.append(metrics_row(step, values))

    def checkpoint(
        self,
        step: int,
        training: Training,
        state: Mapping[str, Any],
        extra: Tensors | None = None,
        keep: int | None = None,
    ) -> None:
        """Saves when ``step`` is a multiple of the recipe's ``checkpoint_every``.

        Of the older ones that of step ``keep`` stays, however old it is.
        """
        if step % self.checkpoint_every == 0:
            self._sinks.sync()
            save_checkpoint(self.checkpoints, step, training, state, extra or {}, keep)

    @property
    def steps(self) -> list[int]:
        """The steps there are checkpoints of, in order."""
        return [step_of(path) for path in complete_checkpoints(self.checkpoints)]

    def restore(self, step: int, training: Training) -> tuple[int, dict[str, Any], Tensors]:
        """Puts the networks back as they were at a checkpoint; the metrics stay as they are."""
        paths = {step_of(path): path for path in complete_checkpoints(self.checkpoints)}
        return load_checkpoint(paths[step], training)

    def progress(self, name: str, total: int) -> AbstractContextManager[Bar]:
        return self.console.progress(name, total)

    def finish(self) -> None:
        """Removes the checkpoints. Call it once what was made of them is safely on the disk."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
