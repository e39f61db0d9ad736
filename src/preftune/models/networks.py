"""What the networks compute from a batch: response logits, values, scores."""

from typing import NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.maths.logprobs import token_entropy, token_logprobs
from preftune.models.batches import Batch

GAIN, BIAS = "score_gain", "score_bias"
"""Keys in a reward model's config.json: score = gain · raw + bias."""


class TokenStatistics(NamedTuple):
    """Of response tokens: log-probability in nats and entropy of the distribution, [B, T]."""

    logprobs_BT: torch.Tensor
    entropy_BT: torch.Tensor


def response_logits(policy: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Logits that predict each response token, [B, T, V]; no other position meets the head."""
    output = policy(
        input_ids=batch.input_ids_BS,
        attention_mask=batch.attention_mask_BS,
        position_ids=batch.position_ids_BS,
        logits_to_keep=batch.width + 1,
        use_cache=False,
    )
    return output.logits[:, :-1]


def response_logprobs(policy: PreTrainedModel, batch: Batch, temperature: float) -> torch.Tensor:
    """Log-probability of each response token, [B, T]; masked entries hold anything finite."""
    return token_logprobs(
        logits_BTV=response_logits(policy, batch),
        tokens_BT=batch.response_ids_BT,
        temperature=temperature,
    )


def response_statistics(
    policy: PreTrainedModel, batch: Batch, temperature: float
) -> TokenStatistics:
    """Log-probabilities with gradient, entropies without."""
    logits = response_logits(policy, batch)
    logprobs = token_logprobs(
        logits_BTV=logits, tokens_BT=batch.response_ids_BT, temperature=temperature
    )
    with torch.no_grad():
        entropy = token_entropy(logits_BTV=logits, temperature=temperature)
    return TokenStatistics(logprobs, entropy)


def scores(model: PreTrainedModel, batch: Batch, dropout: float = 0.0) -> torch.Tensor:
    """The reward model's normalised score of each row, [B], read at its last real token."""
    hidden = _hidden(model, batch)
    rows = torch.arange(len(hidden), device=hidden.device)
    return read_scores(model, hidden[rows, batch.last_index_B], dropout)


def read_scores(model: PreTrainedModel, hidden_BH: torch.Tensor, dropout: float) -> torch.Tensor:
    """The score head on hidden states, normalised, [B]."""
    kept = nn.functional.dropout(hidden_BH, dropout, training=dropout > 0)
    return _normalised(model, _head(model)(kept).squeeze(-1))


def values(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """The value before each response token is written, [B, T], in normalised score units."""
    hidden = _hidden(model, batch)
    return _normalised(model, _head(model)(hidden[:, -batch.width - 1 : -1]).squeeze(-1))


def hidden_states(
    model: PreTrainedModel,
    input_ids_BS: torch.Tensor,
    attention_mask: torch.Tensor,
    position_ids_BS: torch.Tensor,
) -> torch.Tensor:
    """The body's last hidden states, [B, S, H].

    ``attention_mask`` is [B, S], True at real tokens, or [B, 1, S, S], True where seen.
    """
    if attention_mask.ndim == 4:  # eager attention adds its mask, so it must be numbers
        lowest = torch.finfo(model.dtype).min
        attention_mask = (~attention_mask).to(model.dtype) * lowest
    body = getattr(model, model.base_model_prefix)
    return body(
        input_ids=input_ids_BS,
        attention_mask=attention_mask,
        position_ids=position_ids_BS,
        use_cache=False,
    ).last_hidden_state


def _hidden(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    return hidden_states(model, batch.input_ids_BS, batch.attention_mask_BS, batch.position_ids_BS)


def _head(model: PreTrainedModel) -> nn.Module:
    head = model.score
    assert isinstance(head, nn.Module)
    return head


def _normalised(model: PreTrainedModel, raw: torch.Tensor) -> torch.Tensor:
    return raw.float() * getattr(model.config, GAIN, 1.0) + getattr(model.config, BIAS, 0.0)
