"""transformers' ``generate`` with scripted tokens: see :mod:`benchmarks.peers.script`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import GenerationMixin

from benchmarks.peers.job import Job
from benchmarks.peers.script import read_script


@contextmanager
def scripted(job: Job) -> Iterator[None]:
    """Inside it ``generate`` writes the job's script; one call is one iteration.

    What is drawn is drawn from the same probabilities as always and then exchanged, so scores and
    the end of rows are the library's own affair.
    """
    script, turn = read_script(job.script), 0
    generate, multinomial = GenerationMixin.generate, torch.multinomial

    def scripted_generate(self: Any, inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal turn
        ids = kwargs.get("input_ids") if inputs is None else inputs
        mask = kwargs["attention_mask"].bool()
        prompts = [row[seen].tolist() for row, seen in zip(ids, mask, strict=True)]
        rows = script.table(prompts, job.length, job.samples, job.lengths, turn)
        turn += 1
        table = torch.tensor([row + [script.end] * (job.length - len(row)) for row in rows])
        at = 0

        def scripted_multinomial(*drawn_from: Any, **how: Any) -> torch.Tensor:
            nonlocal at
            drawn = multinomial(*drawn_from, **how)
            at += 1
            return table[:, at - 1 : at].to(drawn)

        torch.multinomial = scripted_multinomial
        try:
            return generate(self, *([] if inputs is None else [inputs]), *args, **kwargs)
        finally:
            torch.multinomial = multinomial

    GenerationMixin.generate = scripted_generate  # type: ignore[method-assign]
    try:
        yield
    finally:
        GenerationMixin.generate = generate  # type: ignore[method-assign]
