"""Attention to shared prompts in transformers' own models, while answers are written.

A function registered with transformers' attention interface takes the place of the model's
attention and leaves it again. Only models whose every layer is plain causal attention qualify.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from preftune.models import FUSED, FUSED_IN_FLOAT32, as_given, computed_in, fused_beside
from preftune.rollouts.cache import plain_layers
from preftune.rollouts.prefix_cache import PrefixCache

ATTENTION = "preftune_shared_prefix"
REPLACED = frozenset({FUSED, FUSED_IN_FLOAT32})
"""The attentions it stands in for, and is equal to; models that run another keep theirs."""

FAMILIES = frozenset({"gpt2", "llama", "mistral", "qwen2", "qwen3"})
"""Families that hand every argument on to the attention, each with a test of equality."""

_switching = threading.Lock()
_users: WeakKeyDictionary[PreTrainedModel, int] = WeakKeyDictionary()


def can_share(model: PreTrainedModel) -> bool:
    """Whether rows of this model may share the keys and values of their prompt."""
    config = model.config
    return (
        config.model_type in FAMILIES
        and config._attn_implementation in REPLACED | {ATTENTION}
        and plain_layers(config) > 0
        and not model.training
    )


@contextmanager
def attending_to_shared(models: Sequence[PreTrainedModel]) -> Iterator[None]:
    """These models attend through :func:`shared_attention` until the last user leaves."""
    for model in models:
        _enter(model)
    try:
        yield
    finally:
        for model in models:
            _leave(model)


def _enter(model: PreTrainedModel) -> None:
    with _switching:
        _users[model] = _users.get(model, 0) + 1
        model.set_attn_implementation(ATTENTION)


def _leave(model: PreTrainedModel) -> None:
    with _switching:
        _users[model] -= 1
        if _users[model] == 0:
            model.set_attn_implementation(fused_beside(computed_in(model), model.device))


def shared_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' own attention, but where rows answer shared prompts: [B, 1, heads, D]."""
    cache: PrefixCache | None = kwargs.pop("shared_prefix", None)
    if cache is None or cache.rows is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    rows, heads, _, size = query.shape
    groups = int(getattr(module, "num_key_value_groups", 1))
    scaled = query.reshape(rows, heads // groups, groups, size) * kwargs["scaling"]
    with as_given(query.device):
        read = cache.rows.attend(int(module.layer_idx), scaled)  # type: ignore[arg-type]
    return read.reshape(rows, 1, heads, size), None


AttentionInterface.register(ATTENTION, shared_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
