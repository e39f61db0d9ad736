"""Activation checkpointing: what happens inside a layer is forgotten and computed again.

Chen et al. 2016, "Training deep nets with sublinear memory cost": what a backward pass keeps of
each layer is its input.
"""

from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from preftune.records import BadInput


def forget_activations(model: PreTrainedModel) -> None:
    """From now on every layer of the body keeps its input alone; the numbers stay the same.

    transformers' own switch works in training mode only, and stories run without dropout, in
    evaluation mode. Raises :class:`BadInput` for a model whose layers cannot be told.
    """
    layers = [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
    if not layers:
        raise BadInput(
            f"The layers of {type(model).__name__} cannot be computed again.",
            remedy="Leave activation_checkpointing out.",
        )
    for layer in layers:
        if not isinstance(layer.forward, _Again):
            layer.forward = _Again(layer.forward)


class _Again:
    """A layer's forward that keeps nothing of what it computes, where a gradient is wanted."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain

    def __call__(self, *given: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return self.plain(*given, **named)
        return checkpoint(self.plain, *given, use_reentrant=False, **named)
