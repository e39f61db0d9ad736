"""preftune's engine with scripted tokens: see :mod:`benchmarks.peers.script`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from benchmarks.peers.job import Job
from benchmarks.peers.script import read_script
from preftune.rollouts import native
from preftune.rollouts import sampling as drawing


@contextmanager
def scripted(job: Job) -> Iterator[None]:
    """Inside it the built-in engine writes the job's script; one request is one iteration.

    The engine's random numbers are exchanged for numbers that say which row and token they are
    for, since rows change places as others end. Drawing from them is left as it is.
    """
    if not job.script:
        yield
        return
    script, turn = read_script(job.script), 0
    writing, inverted = native.Writing, drawing.inverted
    table = torch.zeros(0, 0, dtype=torch.long)

    def scripted_writing(
        prompts: Sequence[tuple[int, ...]], uniforms_BT: np.ndarray, stops: set[int]
    ) -> native.Writing:
        nonlocal table, turn
        longest = uniforms_BT.shape[1]
        rows = script.table(prompts, longest, job.samples, job.lengths, turn)
        turn += 1
        table = torch.tensor([row + [script.end] * (longest - len(row)) for row in rows])
        numbered = (np.arange(table.numel()) + 0.5) / table.numel()
        return writing(prompts, numbered.reshape(table.shape), stops)

    def scripted_inverted(logprobs_BV: torch.Tensor, uniforms_B: torch.Tensor) -> torch.Tensor:
        inverted(logprobs_BV, uniforms_B)
        return table.flatten()[(uniforms_B.double() * table.numel()).long()]

    native.Writing = scripted_writing  # type: ignore[assignment, misc]
    drawing.inverted = scripted_inverted
    try:
        yield
    finally:
        native.Writing, drawing.inverted = writing, inverted  # type: ignore[misc]
