"""A network's last layer where few of its states are read: the second half of it for those alone.

What comes after a layer's attention is computed token by token, and nothing comes after the last
layer. A reward model reads one state a row, a policy none of a prompt's but the last.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers.models.gpt2.modeling_gpt2 import GPT2Block
from transformers.models.llama.modeling_llama import LlamaDecoderLayer
from transformers.models.mistral.modeling_mistral import MistralDecoderLayer
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

from preftune.models.ragged import spread, taken

Parts = tuple[str, str, str, str]
_LLAMA: Parts = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
PARTS: Mapping[type[nn.Module], Parts] = {
    GPT2Block: ("ln_1", "attn", "ln_2", "mlp"),
    LlamaDecoderLayer: _LLAMA,
    MistralDecoderLayer: _LLAMA,
    Qwen2DecoderLayer: _LLAMA,
    Qwen3DecoderLayer: _LLAMA,
}
"""Layers that are x + attention(norm x), then x + mlp(norm x), and what they call the four."""


def reads_few(model: nn.Module) -> None:
    """The last such layer takes the places to be read, ``read``, from now on."""
    layers = [part for part in model.modules() if type(part) in PARTS]
    if layers and not isinstance(layers[-1].forward, _ReadingFew):
        layers[-1].forward = _ReadingFew(layers[-1])


class _ReadingFew:
    """The layer's forward, [1, N, H] to [1, N, H]; with ``read`` [K] 0 at all other places."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer, self.plain = layer, layer.forward

    def __call__(
        self,
        hidden_states: torch.Tensor,
        *given: Any,
        read: torch.Tensor | None = None,
        **named: Any,
    ) -> torch.Tensor:
        if read is None:
            told: torch.Tensor = self.plain(hidden_states, *given, **named)
            return told
        before, attention, after, mlp = (
            getattr(self.layer, name) for name in PARTS[type(self.layer)]
        )
        attended = attention(before(hidden_states), **named)[0]
        states = taken((hidden_states + attended)[0], read).unsqueeze(0)
        made = states + mlp(after(states))
        return spread(made[0], read, hidden_states.shape[1]).unsqueeze(0)
