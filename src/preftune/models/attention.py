"""What transformers' models attend by: torch's fused attention, also of rows end to end.

Beside bfloat16 products on a processor it is computed in float32, which is faster there: torch's
fused backward pass takes 21 ms in bfloat16 and 5.7 in float32 for 32 rows of 64 tokens and 6 heads
of 64, 23 and 8.3 for 16 rows of 128, and about as long as float32 from 256 tokens on.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from preftune.models.ragged import Portions

FUSED = "sdpa"
"""torch's fused attention by transformers' name for it; it is :func:`attention` from here on, for
every model in this process, and the same to the bit where no portions are told."""
FUSED_IN_FLOAT32 = "preftune_sdpa_float32"


def fused_beside(dtype: torch.dtype, device: torch.device) -> str:
    """The name of the attention that is best beside products in ``dtype``."""
    return FUSED_IN_FLOAT32 if dtype is torch.bfloat16 and device.type == "cpu" else FUSED


def attend_beside(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """The model attends by it from now on; one that attends in another way keeps to that."""
    if model.config._attn_implementation in (FUSED, FUSED_IN_FLOAT32):
        model.set_attn_implementation(fused_beside(dtype, model.device))


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    portions: Portions | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' own, or within ``portions`` of rows end to end, [1, heads, N, D] each."""
    if portions is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    portions.asked += 1
    return _by_portions(query, key, value, portions, **kwargs), None


def attention_in_float32(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """The same; a pass without a gradient computes what one with it does."""
    with as_given(query.device):
        parts = query.float(), key.float(), value.float()
        return attention(module, *parts, attention_mask, **kwargs)


def as_given(device: torch.device) -> AbstractContextManager[Any]:
    """Inside it, products take their operands as they are, whatever the pass computes in."""
    if not torch.is_autocast_enabled(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _by_portions(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    portions: Portions,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> torch.Tensor:
    """[1, N, heads, D]."""
    groups = query.shape[1] // key.shape[1]
    sizes = [part.tokens for part in portions.parts]
    lines = (states[0].transpose(0, 1).split(sizes) for states in (query, key, value))
    read = []
    for part, *line in zip(portions.parts, *lines, strict=True):
        q, k, v = (part.table(states).transpose(1, 2) for states in line)
        if groups > 1:
            k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        seen = part.seen_G1WW
        told = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=seen, dropout_p=dropout, is_causal=seen is None, scale=scaling
        )
        read.append(part.line(told.transpose(1, 2)))
    return (torch.cat(read) if len(read) > 1 else read[0]).unsqueeze(0)


AttentionInterface.register(FUSED, attention)
AttentionInterface.register(FUSED_IN_FLOAT32, attention_in_float32)
AttentionMaskInterface.register(FUSED_IN_FLOAT32, sdpa_mask)
