"""The number format of a network's passes; its weights, heads and losses stay float32.

Automatic mixed precision (Micikevicius et al. 2018) with bfloat16, which needs no loss scaling:
matrix products take bfloat16 operands, sums of the residual stream, norms and softmax stay float32.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.models.attention import attend_beside

_MARK = "preftune_compute_dtype"


def compute_in(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Every pass through the model's body, and its language-model head, is in ``dtype`` from now.

    Networks that share the body share this. A reward or value head is read in float32.
    """
    setattr(_body(model), _MARK, dtype)
    attend_beside(model, dtype)


def computed_in(model: PreTrainedModel) -> torch.dtype:
    """The number format of the model's passes."""
    return getattr(_body(model), _MARK, torch.float32)


def autocast_of(model: PreTrainedModel) -> AbstractContextManager[None]:
    """What a pass through the model stands in; nothing for float32."""
    dtype = computed_in(model)
    if dtype is torch.float32:
        return nullcontext()
    return torch.autocast(model.device.type, dtype=dtype)


def _body(model: PreTrainedModel) -> nn.Module:
    body = getattr(model, model.base_model_prefix, model)
    assert isinstance(body, nn.Module)
    return body
