"""One token of every row through a network, in no more operations than it takes.

transformers' own pass is made for any number of tokens: for one token a row of a small network it
spends more time between the operations than in them. The parts are the model's own, and with them
its weights, adapters and number formats; only what lies between the parts is written here.

B rows, H width, N heads, K heads of keys, D head size.
"""

from typing import Any, NamedTuple

import torch
from torch.nn.functional import rms_norm
from transformers import (
    LlamaForCausalLM,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from preftune.models import as_given
from preftune.rollouts.rows import Rows

FAMILIES = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
"""x + attention(norm(x)), then x + MLP(norm(x)); positions by rotation (Touvron et al. 2023)."""


class Rotation(NamedTuple):
    """cos m θ and sin m θ of every row's position m, [B, 1, D], the first half of sin negated."""

    cos: torch.Tensor
    sin: torch.Tensor

    def of(self, vectors_BND: torch.Tensor) -> torch.Tensor:
        """Pairs of the two halves of D turned by m θ (Su et al. 2021, eq. 34)."""
        half = vectors_BND.shape[-1] // 2
        return (vectors_BND * self.cos).add_(vectors_BND.roll(half, -1) * self.sin)

    def times(self, factor: float) -> "Rotation":
        return Rotation(self.cos * factor, self.sin * factor)


def passes_tokens(model: PreTrainedModel) -> bool:
    """Whether :func:`token_states` computes what the model does; not if its pass was changed."""
    changed = "forward" in vars(model) or model._forward_hooks or model._forward_pre_hooks
    return type(model) in FAMILIES and not changed


def token_states(
    model: Any, rows: Rows, tokens_B: torch.Tensor, positions_B: torch.Tensor
) -> torch.Tensor:
    """What the output head reads of each row's token, [B, H]; ``rows`` gets its key and value."""
    body = model.model
    states = body.embed_tokens(tokens_B)
    turned = _rotation(body, states, positions_B)
    turned_and_scaled = turned.times(body.layers[0].self_attn.scaling)
    for number, layer in enumerate(body.layers):
        attention = layer.self_attn
        queries, keys, values = _projected(attention, _norm(layer.input_layernorm, states))
        rows.write(number, turned.of(keys).unsqueeze(2), values.unsqueeze(2))
        groups = turned_and_scaled.of(queries).unflatten(1, (-1, attention.num_key_value_groups))
        with as_given(states.device):
            read = rows.attend(number, groups)
        states = states + attention.o_proj(read.reshape(len(states), -1))
        states = states + layer.mlp(_norm(layer.post_attention_layernorm, states))
    return _norm(body.norm, states)


def _projected(
    attention: Any, states_BH: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries [B, N, D], keys and values [B, K, D] before rotation."""
    parts = attention.q_proj, attention.k_proj, attention.v_proj
    queries, keys, values = (
        part(states_BH).view(len(states_BH), -1, attention.head_dim) for part in parts
    )
    if hasattr(attention, "q_norm"):  # Qwen3
        queries, keys = _norm(attention.q_norm, queries), _norm(attention.k_norm, keys)
    return queries, keys, values


def _rotation(body: Any, states_BH: torch.Tensor, positions_B: torch.Tensor) -> Rotation:
    cos, sin = body.rotary_emb(states_BH, positions_B.unsqueeze(1))
    first, second = sin.chunk(2, dim=-1)
    return Rotation(cos, torch.cat([-first, second], dim=-1))


def _norm(norm: Any, x: torch.Tensor) -> torch.Tensor:
    return rms_norm(x, x.shape[-1:], norm.weight, norm.variance_epsilon)
