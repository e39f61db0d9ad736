"""Weights of frozen layers held in four bits, as QLoRA does (Dettmers et al. 2023).

A block of weights shares a scale, each weight is one of sixteen values that cut a normal
distribution into equal parts (NF4, §3), and the scales are held in eight bits themselves (double
quantisation): 4.13 bits a weight. bitsandbytes packs and unpacks; a pass sees the unpacked weight
and forgets it.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from transformers.pytorch_utils import Conv1D

from preftune.monitoring.adapters.optional import import_extra

EXTRA = "qlora"
BLOCK = 64
"""Weights that share a scale; a row of what is packed, since bitsandbytes (0.50 for processors)
gives blocks that cross from row to row the scales of others."""


class QuantizedLinear(nn.Module):
    """A linear layer, of torch or of GPT-2's kind, whose weight is held as NF4.

    Raises :class:`BadInput` where bitsandbytes is not installed.
    """

    def __init__(self, layer: nn.Linear | Conv1D) -> None:
        super().__init__()
        self.transposed = isinstance(layer, Conv1D)
        self.bias = layer.bias
        self.shape = layer.weight.shape
        flat = layer.weight.detach().float().flatten()
        blocks = F.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
        packed, state = _bitsandbytes().quantize_4bit(
            blocks, blocksize=BLOCK, quant_type="nf4", compress_statistics=True
        )
        self.scales_in_block = state.state2.blocksize
        for name, table in {
            "packed": packed,
            "scales": state.absmax,
            "values": state.code,
            "mean_scale": state.offset,
            "scales_of_scales": state.state2.absmax,
            "values_of_scales": state.state2.code,
        }.items():
            self.register_buffer(name, table, persistent=False)

    @property
    def weight(self) -> torch.Tensor:
        """Unpacked in float32, of the layer's own shape; a fresh table each time."""
        kept: Any = self
        library = _bitsandbytes()
        scales = library.QuantState(
            absmax=kept.scales_of_scales,
            code=kept.values_of_scales,
            blocksize=self.scales_in_block,
            dtype=torch.float32,
        )
        state = library.QuantState(
            absmax=kept.scales,
            shape=torch.Size((kept.packed.numel() * 2 // BLOCK, BLOCK)),
            code=kept.values,
            blocksize=BLOCK,
            quant_type="nf4",
            dtype=torch.float32,
            offset=kept.mean_scale,
            state2=scales,
        )
        unpacked: torch.Tensor = library.dequantize_4bit(kept.packed, state)
        return unpacked.flatten()[: self.shape.numel()].view(self.shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[…, I] to […, O]."""
        return F.linear(x, output_by_input(self), self.bias)


def output_by_input(layer: Any) -> torch.Tensor:
    """The weight [O, I] of any of the three kinds of layer."""
    other = isinstance(layer, Conv1D) or getattr(layer, "transposed", False)
    weight: torch.Tensor = layer.weight.T if other else layer.weight
    return weight


def round_trip(layer: nn.Linear | Conv1D) -> None:
    """The layer's weight becomes what four bits hold of it."""
    with torch.no_grad():
        layer.weight.copy_(QuantizedLinear(layer).weight)


def quantized_layers(part: nn.Module) -> dict[str, QuantizedLinear]:
    return {name: one for name, one in part.named_modules() if isinstance(one, QuantizedLinear)}


def held_in_four_bits(part: nn.Module) -> list[str]:
    """The last names of these layers: ``["k_proj", "q_proj"]``."""
    paths = (path.removesuffix(".base_layer") for path in quantized_layers(part))
    return sorted({path.rpartition(".")[2] for path in paths})


def _bitsandbytes() -> Any:
    return import_extra("bitsandbytes.functional", EXTRA)
