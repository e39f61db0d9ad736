"""One token of every row through a network, in no more operations than it takes.

Prompts go through it too: their tokens are rows that attend to those before them.

transformers' own pass is made for any number of tokens: for one token a row of a small network it
spends more time between the products than in them.

B rows, H width, N heads, K heads of keys, S = N + K, D head size.
"""

from typing import NamedTuple

import torch

from preftune.models import as_given
from preftune.rollouts.rows import Attending
from preftune.rollouts.token_weights import Layer, TokenWeights


class Rotation(NamedTuple):
    """cos m θ and sin m θ of every row's position m, the first half of sin negated, times what
    queries are scaled by: [B, S, D]."""

    cos: torch.Tensor
    sin: torch.Tensor

    def of(self, heads_BSD: torch.Tensor) -> torch.Tensor:
        """Pairs of the two halves of D turned by m θ (Su et al. 2021, eq. 34)."""
        swapped = heads_BSD.roll(heads_BSD.shape[-1] // 2, -1)
        return (heads_BSD * self.cos).addcmul_(swapped, self.sin)


def token_states(
    weights: TokenWeights, rows: Attending, tokens_B: torch.Tensor, positions_B: torch.Tensor
) -> torch.Tensor:
    """What the output head reads of each row's token, [B, H]; ``rows`` gets its key and value."""
    with as_given(tokens_B.device):  # products say themselves what they are made in
        states_BH = weights.embed(tokens_B)
        turned = _rotation(weights, states_BH, positions_B)
        for number, layer in enumerate(weights.layers):
            read = _read(weights, layer, number, rows, turned, layer.norm.unit(states_BH))
            states_BH = layer.out.plus(states_BH, read)
            unit = layer.mlp_norm.unit(states_BH)
            gated = layer.up.times(layer.activation(layer.gate.of(unit)), unit)
            states_BH = layer.down.plus(states_BH, gated)
        return weights.norm.of(states_BH)


def _read(
    weights: TokenWeights,
    layer: Layer,
    number: int,
    rows: Attending,
    turned: Rotation,
    unit_BH: torch.Tensor,
) -> torch.Tensor:
    """What the heads of attention read, [B, N D]."""
    count, (both, size) = len(unit_BH), turned.cos.shape[1:]
    projected = layer.heads.of(unit_BH).view(count, -1, size)
    heads_BSD, values_BKD = projected[:, :both], projected[:, both:]
    if layer.head_norm is not None:
        heads_BSD = layer.head_norm.of(heads_BSD)
    queries, keys = turned.of(heads_BSD).split([both - weights.key_heads, weights.key_heads], 1)
    rows.write(number, keys.unsqueeze(2), values_BKD.unsqueeze(2))
    read = rows.attend(number, queries.unflatten(1, (weights.key_heads, -1)))
    return read.reshape(count, -1)


def _rotation(
    weights: TokenWeights, states_BH: torch.Tensor, positions_B: torch.Tensor
) -> Rotation:
    cos, sin = weights.rotary(states_BH, positions_B.unsqueeze(1))
    first, second = sin.chunk(2, dim=-1)
    signed = torch.cat([-first, second], dim=-1)
    return Rotation(cos * weights.scaling_S1, signed * weights.scaling_S1)
