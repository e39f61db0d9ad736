"""What the networks compute from a batch: response logits, values, scores."""

from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from preftune.maths.head_logprobs import HeadStatistics
from preftune.maths.logprobs import token_entropy, token_logprobs
from preftune.maths.steps import every_step, last_step, step_end_mask, worst_step
from preftune.models.adapters import reading
from preftune.models.batches import Batch
from preftune.models.heads import BIAS, GAIN, Axes, Steps, axes_of, steps_of
from preftune.models.language_head import plain_head, read_logits, read_tokens
from preftune.models.passes import logits_at, states_at, states_of
from preftune.models.ragged import Ragged, taken

AGGREGATES = {"min": worst_step, "product": every_step, "last": last_step}
"""How the scores of steps become an answer's score."""


class TokenStatistics(NamedTuple):
    """Of response tokens: log-probability in nats and entropy of the distribution, [B, T]."""

    logprobs_BT: torch.Tensor
    entropy_BT: torch.Tensor


def response_logits(policy: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Logits that predict each response token, [B, T, V], 0 where masked."""
    if plain_head(policy) is None:
        logits_NV = logits_at(policy, batch.ragged)
    else:
        states_NH = states_at(policy, batch.ragged, batch.ragged.before)
        with reading(policy):
            logits_NV = policy.get_output_embeddings()(states_NH)
    return batch.spread(logits_NV)


def response_logprobs(policy: PreTrainedModel, batch: Batch, temperature: float) -> torch.Tensor:
    """Log-probability of each response token, [B, T], 0 where masked."""
    told = read_responses(policy, batch.ragged, temperature, None)
    return batch.spread(told.logprobs_N)


def response_statistics(
    policy: PreTrainedModel, batch: Batch, temperature: float, entropy_learns: bool = False
) -> TokenStatistics:
    """Log-probabilities with gradient, entropies without unless ``entropy_learns``."""
    told = read_responses(policy, batch.ragged, temperature, entropy_learns)
    return TokenStatistics(*map(batch.spread, told))


def read_responses(
    policy: PreTrainedModel, ragged: Ragged, temperature: float, entropy_learns: bool | None
) -> HeadStatistics:
    """What the policy says of each response token, [T] each; entropies are 0 and not computed
    where ``entropy_learns`` is None."""
    how = ragged.tokens_T, temperature, entropy_learns
    if plain_head(policy) is None:
        return read_logits(logits_at(policy, ragged), *how)
    return read_tokens(policy, states_at(policy, ragged, ragged.before), *how)


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
    return scores_of(model, batch.ragged, dropout)


def scores_of(model: PreTrainedModel, ragged: Ragged, dropout: float = 0.0) -> torch.Tensor:
    """The normalised score of each row, [R], of a model that scores whole answers."""
    return read_scores(model, states_at(model, ragged, ragged.last), dropout)


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
    states = taken(states_of(model, batch.ragged), batch.ragged.before.every + 1)
    states = nn.functional.dropout(states, dropout, training=dropout > 0)
    return batch.spread(_head(model)(states).squeeze(-1).float())


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
    """The value before each response token is written, [B, T], in normalised score units; 0 where
    masked. Without ``body_learns`` the gradient ends at the head."""
    with torch.set_grad_enabled(body_learns and torch.is_grad_enabled()):
        states = states_at(model, batch.ragged, batch.ragged.before)
    return batch.spread(_normalised(model, _one(model, _head(model)(states))))


def _last_outputs(model: PreTrainedModel, batch: Batch, dropout: float) -> torch.Tensor:
    """The head's outputs at each row's last real token, [B, K]."""
    states = states_at(model, batch.ragged, batch.ragged.last)
    last = nn.functional.dropout(states, dropout, training=dropout > 0)
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
