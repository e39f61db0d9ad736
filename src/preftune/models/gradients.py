"""Gradients added into their sum, where training says so, and not made beside it first.

A sum over micro-batches needs each weight's gradient once. Autograd makes a table for each
micro-batch and adds it: three times the reading and writing of a product that adds as it computes.
"""

import torch

ADDED_TO = "preftune_added_to"
"""On a weight while :class:`preftune.training.Training` passes backward: its gradient may be added
to ``weight.grad`` by whoever makes it."""


def sum_of(weight: torch.Tensor) -> torch.Tensor | None:
    """The table to add this weight's gradient to; None where it is handed on as usual: without a
    sum yet, on another device than a processor, or where nobody said so."""
    if not getattr(weight, ADDED_TO, False) or weight.device.type != "cpu":
        return None
    return weight.grad
