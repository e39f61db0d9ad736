"""Which of a network's parameters a training moves, saves and puts back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

TRAINED = "preftune_trained"
"""On a network that trains a part of itself, an adapter on frozen weights: the part's names."""


ADDED_TO = "preftune_added_to"
"""On a weight while a backward pass runs whose gradients are summed in ``weight.grad``: who makes
one may add it there, and hand none on."""


@contextmanager
def added_to(weights: Sequence[torch.Tensor]) -> Iterator[None]:
    """For ``backward()`` alone: ``autograd.grad`` would find nothing."""
    for weight in weights:
        setattr(weight, ADDED_TO, True)
    try:
        yield
    finally:
        for weight in weights:
            delattr(weight, ADDED_TO)


def owned_parameters(network: nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Names and parameters: all of a network, or what it says is trained of it.

    Frozen weights under an adapter are in no checkpoint: they are the stage's input.
    """
    trained: frozenset[str] | None = getattr(network, TRAINED, None)
    for name, parameter in network.named_parameters():
        if trained is None or name in trained:
            yield name, parameter
