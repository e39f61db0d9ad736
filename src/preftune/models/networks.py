"""What the networks compute from a batch: response logits, values, scores."""

from contextlib import AbstractContextManager
from math import inf
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from preftune.maths.logprobs import token_entropy, token_logprobs
from preftune.maths.steps import every_step, last_step, step_end_mask, worst_step
from preftune.models.adapters import reading
from preftune.models.batches import Batch
from preftune.models.heads import BIAS, GAIN, Axes, Steps, axes_of, steps_of
from preftune.models.language_head import plain_head, read_tokens
from preftune.models.packing import seen_segments

AGGREGATES = {"min": worst_step, "product": every_step, "last": last_step}
"""How the scores of steps become an answer's score."""


class TokenStatistics(NamedTuple):
    """Of response tokens: log-probability in nats and entropy of the distribution, [B, T]."""

    logprobs_BT: torch.Tensor
    entropy_BT: torch.Tensor


def response_logits(policy: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Logits that predict each response token, [B, T, V]; no other position meets the head."""
    if batch.packing is not None and plain_head(policy) is not None:
        states = _hidden(policy, batch)[:, -batch.width - 1 :]
        with reading(policy):
            logits: torch.Tensor = policy.get_output_embeddings()(states)
    else:
        with reading(policy):
            logits = policy(
                input_ids=batch.input_ids_BS,
                attention_mask=batch.attention_mask_BS,
                position_ids=batch.position_ids_BS,
                logits_to_keep=batch.width + 1,
                use_cache=False,
            ).logits
    return logits[:, :-1]


def response_logprobs(policy: PreTrainedModel, batch: Batch, temperature: float) -> torch.Tensor:
    """Log-probability of each response token, [B, T]; masked entries hold anything finite."""
    if plain_head(policy) is not None:
        return _read_at_tokens(policy, batch, temperature, None).logprobs_BT
    return token_logprobs(
        logits_BTV=response_logits(policy, batch),
        tokens_BT=batch.response_ids_BT,
        temperature=temperature,
    )


def response_statistics(
    policy: PreTrainedModel, batch: Batch, temperature: float, entropy_learns: bool = False
) -> TokenStatistics:
    """Log-probabilities with gradient, entropies without unless ``entropy_learns``."""
    if plain_head(policy) is not None:
        return _read_at_tokens(policy, batch, temperature, entropy_learns)
    logits = response_logits(policy, batch)
    return statistics_of(logits, batch, temperature, entropy_learns)


def statistics_of(
    logits_BTV: torch.Tensor, batch: Batch, temperature: float, entropy_learns: bool = False
) -> TokenStatistics:
    """What the logits of the response tokens say of them."""
    logprobs = token_logprobs(
        logits_BTV=logits_BTV, tokens_BT=batch.response_ids_BT, temperature=temperature
    )
    with torch.set_grad_enabled(entropy_learns and torch.is_grad_enabled()):
        entropy = token_entropy(logits_BTV=logits_BTV, temperature=temperature)
    return TokenStatistics(logprobs, entropy)


def twice_differentiable() -> AbstractContextManager[None]:
    """Inside it a forward pass can be differentiated twice: fused attention cannot be."""
    return sdpa_kernel(SDPBackend.MATH)


def scores(model: PreTrainedModel, batch: Batch, dropout: float = 0.0) -> torch.Tensor:
    """The reward model's normalised score of each row, [B], read at its last real token.

    Of a model with several axes, its score among them; of one that scores steps, their aggregate.
    """
    steps = steps_of(model.config)
    if steps is not None:
        read = step_scores(model, batch, dropout)
        mask = step_ends(batch, steps)
        return _normalised(model, AGGREGATES[steps.aggregate](scores_BT=read, step_mask_BT=mask))
    hidden = _hidden(model, batch)
    rows = torch.arange(len(hidden), device=hidden.device)
    return read_scores(model, hidden[rows, batch.last_index_B], dropout)


def read_scores(model: PreTrainedModel, hidden_BH: torch.Tensor, dropout: float) -> torch.Tensor:
    """The score head on hidden states, normalised, [B]."""
    kept = nn.functional.dropout(hidden_BH, dropout, training=dropout > 0)
    return _normalised(model, _one(model, _head(model)(kept)))


def axis_scores(model: PreTrainedModel, batch: Batch, dropout: float = 0.0) -> torch.Tensor:
    """The score of each row on every axis, [B, K], in the axes' own units."""
    return _in_units(axes_of(model.config), _last_outputs(model, batch, dropout))


def score_of_axes(model: PreTrainedModel, axes_BK: torch.Tensor) -> torch.Tensor:
    """The normalised score from :func:`axis_scores`, [B]."""
    return _normalised(model, _weighted(axes_of(model.config), axes_BK))


def step_scores(model: PreTrainedModel, batch: Batch, dropout: float = 0.0) -> torch.Tensor:
    """The score after each response token, [B, T], in log-odds; read it where a step ends."""
    hidden = _hidden(model, batch)[:, -batch.width :]
    hidden = nn.functional.dropout(hidden, dropout, training=dropout > 0)
    return _head(model)(hidden).squeeze(-1).float()


def step_ends(batch: Batch, steps: Steps) -> torch.Tensor:
    """True at response tokens that end a step, [B, T]."""
    ids = batch.response_ids_BT
    return step_end_mask(
        tokens_BT=ids,
        action_mask_BT=batch.action_mask_BT,
        separators_N=torch.tensor(steps.separator_ids, device=ids.device),
        end_token=steps.end_id,
    )


def values(model: PreTrainedModel, batch: Batch, body_learns: bool = True) -> torch.Tensor:
    """The value before each response token is written, [B, T], in normalised score units.

    Without ``body_learns`` the gradient ends at the head.
    """
    with torch.set_grad_enabled(body_learns and torch.is_grad_enabled()):
        hidden = _hidden(model, batch)
    return _normalised(model, _one(model, _head(model)(hidden[:, -batch.width - 1 : -1])))


def hidden_states(
    model: PreTrainedModel,
    input_ids_BS: torch.Tensor,
    attention_mask: torch.Tensor,
    position_ids_BS: torch.Tensor,
) -> torch.Tensor:
    """The body's last hidden states, [B, S, H].

    ``attention_mask`` is [B, S], True at real tokens, or [B, 1, S, S], True where seen.
    """
    if attention_mask.ndim == 4:
        attention_mask = seen_mask(model, attention_mask)
    body = getattr(model, model.base_model_prefix)
    with reading(model):
        return body(
            input_ids=input_ids_BS,
            attention_mask=attention_mask,
            position_ids=position_ids_BS,
            use_cache=False,
        ).last_hidden_state


def seen_mask(model: PreTrainedModel, seen: torch.Tensor) -> torch.Tensor:
    """0 where a query sees a key, else the lowest number: eager attention adds its mask."""
    return (~seen).to(model.dtype) * torch.finfo(model.dtype).min


def _read_at_tokens(
    policy: PreTrainedModel, batch: Batch, temperature: float, entropy_learns: bool | None
) -> TokenStatistics:
    """Both numbers of the real response tokens, 0 elsewhere: no padding meets the head."""
    before_BTH = _hidden(policy, batch)[:, -batch.width - 1 : -1]
    mask_BT = batch.action_mask_BT
    told = read_tokens(
        policy, before_BTH[mask_BT], batch.response_ids_BT[mask_BT], temperature, entropy_learns
    )
    empty_BT = told.logprobs_N.new_zeros(mask_BT.shape)
    return TokenStatistics(*(empty_BT.masked_scatter(mask_BT, part_N) for part_N in told))


def _hidden(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """The last hidden states, [B, S, H]; where the batch is packed no padding is computed."""
    ids_BS, packing = batch.input_ids_BS, batch.packing
    if packing is None or _looks_back(model) < ids_BS.shape[1]:
        return hidden_states(model, ids_BS, batch.attention_mask_BS, batch.position_ids_BS)
    mask = seen_segments(packing.segments_LW).unsqueeze(1)
    positions_LW = packing.packed(batch.position_ids_BS)
    return packing.spread(
        hidden_states(model, packing.packed(ids_BS), mask, positions_LW), *ids_BS.shape
    )


def _looks_back(model: PreTrainedModel) -> float:
    """How many tokens a query may see: all but where windows slide."""
    return getattr(model.config, "sliding_window", None) or inf


def _last_outputs(model: PreTrainedModel, batch: Batch, dropout: float) -> torch.Tensor:
    """The head's outputs at each row's last real token, [B, K]."""
    hidden = _hidden(model, batch)
    rows = torch.arange(len(hidden), device=hidden.device)
    last = nn.functional.dropout(hidden[rows, batch.last_index_B], dropout, training=dropout > 0)
    return _head(model)(last)


def _one(model: PreTrainedModel, outputs: torch.Tensor) -> torch.Tensor:
    """One number in place of the last axis: the only output, or the axes' weighted sum."""
    axes = axes_of(model.config)
    if axes is None:
        return outputs.squeeze(-1)
    return _weighted(axes, _in_units(axes, outputs))


def _in_units(axes: Axes | None, outputs: torch.Tensor) -> torch.Tensor:
    if axes is None:
        return outputs.float()
    gains, biases = (
        torch.tensor(part, device=outputs.device) for part in (axes.gains, axes.biases)
    )
    return outputs.float() * gains + biases


def _weighted(axes: Axes | None, values: torch.Tensor) -> torch.Tensor:
    if axes is None:
        return values.squeeze(-1)
    return values @ torch.tensor(axes.weights, device=values.device)


def _head(model: PreTrainedModel) -> nn.Module:
    head = model.score
    assert isinstance(head, nn.Module)
    return head


def _normalised(model: PreTrainedModel, raw: torch.Tensor) -> torch.Tensor:
    return raw.float() * getattr(model.config, GAIN, 1.0) + getattr(model.config, BIAS, 0.0)
