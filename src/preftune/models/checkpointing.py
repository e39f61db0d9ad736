"""Activation checkpointing: what happens inside a layer is forgotten and computed again.

Chen et al. 2016, "Training deep nets with sublinear memory cost": what a backward pass keeps of
each layer is its input.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from preftune.models.adapters import Selection, restore, selection, tuner_layers
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
            layer.forward = _Again(layer)


class _Again:
    """A layer's forward that keeps nothing of what it computes, where a gradient is wanted."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer, self.plain = layer, layer.forward

    def __call__(self, *given: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return self.plain(*given, **named)
        layers = tuner_layers(self.layer)
        chosen = selection(layers)  # by the time of the backward pass another may be in use

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), _using(layers, chosen)

        return checkpoint(self.plain, *given, use_reentrant=False, context_fn=contexts, **named)


@contextmanager
def _using(layers: list[BaseTunerLayer], chosen: Selection) -> Iterator[None]:
    """The adapters a layer was read with, while it is read again."""
    before = selection(layers)
    restore(layers, chosen)
    try:
        yield
    finally:
        restore(layers, before)
