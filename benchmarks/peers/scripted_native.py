"""preftune's engine with scripted tokens: see :mod:`benchmarks.peers.script`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from benchmarks.peers.job import Job
from benchmarks.peers.script import read_script
from preftune.records import Sampling
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
    generate, inverted = native._generate, drawing.inverted
    table = torch.zeros(0, 0, dtype=torch.long)

    def scripted_generate(
        reader: Any,
        memory_of: Any,
        prompts: Sequence[tuple[int, ...]],
        uniforms_BT: np.ndarray,
        stops: set[int],
        sampling: Sampling,
    ) -> list[Any]:
        nonlocal table, turn
        longest = sampling.max_new_tokens
        rows = script.table(prompts, longest, job.samples, job.lengths, turn)
        turn += 1
        table = torch.tensor([row + [script.end] * (longest - len(row)) for row in rows])
        numbered = (np.arange(table.numel()) + 0.5) / table.numel()
        uniforms = numbered.reshape(table.shape)
        return generate(reader, memory_of, prompts, uniforms, stops, sampling)

    def scripted_inverted(logprobs_BV: torch.Tensor, uniforms_B: torch.Tensor) -> torch.Tensor:
        inverted(logprobs_BV, uniforms_B)
        return table.flatten()[(uniforms_B.double() * table.numel()).long()]

    native._generate, drawing.inverted = scripted_generate, scripted_inverted
    try:
        yield
    finally:
        native._generate, drawing.inverted = generate, inverted
