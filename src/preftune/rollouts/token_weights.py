"""The matrices of a network as one token a row is multiplied by them: few, and laid out for it.

They are copies, with what adapters add and in the number format of the pass, and hold until the
network learns.

B rows, H width, O outputs, N heads, K heads of keys, D head size.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import (
    LlamaForCausalLM,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
)

from preftune.models import as_given, merged_weights, quantized_layers
from preftune.rollouts.products import Product, product

FAMILIES = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
"""x + attention(norm(x)), then x + MLP(norm(x)); positions by rotation (Touvron et al. 2023)."""

LARGEST = 2**25
"""Networks of more weights are asked themselves: a copy of theirs would cost more than it saves."""

Weights = dict[str, torch.Tensor]
"""By their names in the model."""


class Norm(NamedTuple):
    """x / √(mean(x²) + ε), times a weight (Zhang and Sennrich 2019, eq. 4).

    As √H x / √(‖x‖² + H ε) it takes three operations; √H is in the weight.
    """

    weight: torch.Tensor
    root_of_h_eps: torch.Tensor

    @classmethod
    def like(cls, norm: Any) -> "Norm":
        width = len(norm.weight)
        root = norm.weight.new_tensor(sqrt(width * norm.variance_epsilon))
        return cls(norm.weight.detach() * sqrt(width), root)

    def unit(self, states: torch.Tensor) -> torch.Tensor:
        """Without the weight."""
        length = torch.linalg.vector_norm(states, dim=-1, keepdim=True)
        return states / length.hypot_(self.root_of_h_eps)

    def of(self, states: torch.Tensor) -> torch.Tensor:
        return self.unit(states) * self.weight


class Layer(NamedTuple):
    """The weights of the two norms are in the products that read them."""

    norm: Norm
    heads: Product
    """Queries, keys and values, [H, (N + 2 K) D]."""
    head_norm: Norm | None
    """Of queries and keys, [N + K, D] (Qwen3)."""
    out: Product
    mlp_norm: Norm
    gate: Product
    up: Product
    activation: Callable[[torch.Tensor], torch.Tensor]
    down: Product


class TokenWeights(NamedTuple):
    """What :func:`preftune.rollouts.token_pass.token_states` needs of a network."""

    embed: nn.Module
    rotary: nn.Module
    scaling_S1: torch.Tensor
    """What queries are multiplied by, and 1 for keys: [N + K, 1]."""
    key_heads: int
    layers: list[Layer]
    norm: Norm
    head: Product


def passes_tokens(model: PreTrainedModel) -> bool:
    """Whether a token's pass of our own is what the model does; not if its pass was changed, nor
    where weights are held in four bits, which a copy would undo."""
    if type(model) not in FAMILIES or model.dtype is not torch.float32:
        return False
    changed = "forward" in vars(model) or model._forward_hooks or model._forward_pre_hooks
    if changed or quantized_layers(model):
        return False
    return model.num_parameters() <= LARGEST


@torch.no_grad()
def token_weights(model: Any) -> TokenWeights | None:
    """The weights as they are now; None for a model that has to be asked itself."""
    if not passes_tokens(model):
        return None
    with as_given(model.device):
        weights = merged_weights(model)
    body, attention = model.model, model.model.layers[0].self_attn
    keys = model.config.num_key_value_heads
    queries = keys * attention.num_key_value_groups
    scaling_S1 = torch.ones(queries + keys, 1, device=model.device)
    scaling_S1[:queries] = attention.scaling
    return TokenWeights(
        embed=body.embed_tokens,
        rotary=body.rotary_emb,
        scaling_S1=scaling_S1,
        key_heads=keys,
        layers=[
            _layer(layer, weights, f"model.layers.{number}", queries, keys)
            for number, layer in enumerate(body.layers)
        ],
        norm=Norm.like(body.norm),
        head=_product(weights, "lm_head"),
    )


def _layer(layer: Any, weights: Weights, path: str, queries: int, keys: int) -> Layer:
    attention, mlp = f"{path}.self_attn", f"{path}.mlp"
    norm, mlp_norm = Norm.like(layer.input_layernorm), Norm.like(layer.post_attention_layernorm)
    heads = [f"{attention}.{name}_proj" for name in "qkv"]
    normed = hasattr(layer.self_attn, "q_norm")
    return Layer(
        norm=norm,
        heads=_product(weights, *heads, scale_H=norm.weight),
        head_norm=_head_norm(layer.self_attn, queries, keys) if normed else None,
        out=_product(weights, f"{attention}.o_proj"),
        mlp_norm=mlp_norm,
        gate=_product(weights, f"{mlp}.gate_proj", scale_H=mlp_norm.weight),
        up=_product(weights, f"{mlp}.up_proj", scale_H=mlp_norm.weight),
        activation=layer.mlp.act_fn,
        down=_product(weights, f"{mlp}.down_proj"),
    )


def _head_norm(attention: Any, queries: int, keys: int) -> Norm:
    of_queries, of_keys = Norm.like(attention.q_norm), Norm.like(attention.k_norm)
    weights = [of_queries.weight.expand(queries, -1), of_keys.weight.expand(keys, -1)]
    return of_queries._replace(weight=torch.cat(weights))


def _product(weights: Weights, *paths: str, scale_H: torch.Tensor | None = None) -> Product:
    """Linear layers that read the same states, as one; the states are scaled before."""
    weight_OH = torch.cat([weights[f"{path}.weight"] for path in paths])
    if scale_H is not None:
        weight_OH = weight_OH * scale_H
    device = weight_OH.device.type
    if torch.is_autocast_enabled(device):
        weight_OH = weight_OH.to(torch.get_autocast_dtype(device))
    biases = [weights[f"{path}.bias"] for path in paths if f"{path}.bias" in weights]
    bias_O = torch.cat(biases).to(weight_OH.dtype) if biases else None
    return product(weight_OH, bias_O)
