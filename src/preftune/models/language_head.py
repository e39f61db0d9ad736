"""When a policy's log-probabilities are read off its states instead of off [B, T, V] logits."""

import threading

import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.maths.head_logprobs import HeadStatistics, Making, head_statistics
from preftune.maths.logprobs import token_entropy, token_logprobs
from preftune.models.adapters import reading
from preftune.models.gradients import sum_of
from preftune.models.passes import evaluated
from preftune.models.precision import computed_in

FEW_LOGITS = 2**23
"""Up to this many logits (32 MiB) are made at once, as the model makes them."""
TOGETHER = {"cpu": 2**23}
"""Logits of a chunk: fewer would read and write the head's matrix more often than it computes."""
TOGETHER_ELSEWHERE = 2**27
KEPT = {"cpu": 2**25}
"""Up to so many (128 MiB) are kept for the gradient: a head's products are made three times, not
four."""
KEPT_ELSEWHERE = 2**27
_PLAIN = "preftune_plain_head"
_trying = threading.Lock()


def plain_head(policy: PreTrainedModel) -> torch.Tensor | None:
    """The matrix that turns states into logits; None where the model does more than multiply."""
    head = policy.get_output_embeddings()
    if not isinstance(head, nn.Linear) or head.bias is not None:
        return None
    with _trying:  # it changes the model's mode for a moment
        known = getattr(policy, _PLAIN, None)
        if known is None:
            known = _only_multiplies(policy, head)
            setattr(policy, _PLAIN, known)
    return head.weight if known else None


def read_tokens(
    policy: PreTrainedModel,
    states_NH: torch.Tensor,
    tokens_N: torch.Tensor,
    temperature: float,
    entropy_learns: bool | None,
) -> HeadStatistics:
    """What a plain head says of each token in the state before it, [N] each; entropies without
    gradient unless ``entropy_learns``, and 0 where it is None."""
    weight_VH = plain_head(policy)
    assert weight_VH is not None
    if len(tokens_N) * len(weight_VH) > FEW_LOGITS:
        told = _in_parts(policy, weight_VH, states_NH, tokens_N, temperature)
        return told if entropy_learns else told._replace(entropy_N=told.entropy_N.detach())
    with reading(policy):
        logits_NV = policy.get_output_embeddings()(states_NH)
    return read_logits(logits_NV, tokens_N, temperature, entropy_learns)


def read_logits(
    logits_NV: torch.Tensor,
    tokens_N: torch.Tensor,
    temperature: float,
    entropy_learns: bool | None,
) -> HeadStatistics:
    """The same of logits that are there."""
    logits_1NV = logits_NV.unsqueeze(0)
    logprobs_N = token_logprobs(
        logits_BTV=logits_1NV, tokens_BT=tokens_N.unsqueeze(0), temperature=temperature
    )[0]
    if entropy_learns is None:
        return HeadStatistics(logprobs_N, torch.zeros_like(logprobs_N))
    with torch.set_grad_enabled(entropy_learns and torch.is_grad_enabled()):
        entropy_N = token_entropy(logits_BTV=logits_1NV, temperature=temperature)[0]
    return HeadStatistics(logprobs_N, entropy_N)


def _in_parts(
    policy: PreTrainedModel,
    weight_VH: torch.Tensor,
    hidden_NH: torch.Tensor,
    tokens_N: torch.Tensor,
    temperature: float,
) -> HeadStatistics:
    kind = hidden_NH.device.type
    together = TOGETHER.get(kind, TOGETHER_ELSEWHERE)
    return head_statistics(
        hidden_NH=hidden_NH,
        weight_VH=weight_VH,
        tokens_N=tokens_N,
        temperature=temperature,
        making=Making(
            rows=max(together // len(weight_VH), 16),
            dtype=computed_in(policy),
            kept=KEPT.get(kind, KEPT_ELSEWHERE),
            sum_of=sum_of,
        ),
    )


@torch.no_grad()
def _only_multiplies(policy: PreTrainedModel, head: nn.Linear) -> bool:
    """Whether the logits are the head's products of the states, by trying: some models divide
    them or cap them. Without dropout, which would use up random numbers of the step."""
    ids = torch.arange(4, device=policy.device).unsqueeze(0)
    body = getattr(policy, policy.base_model_prefix)
    with evaluated(policy), reading(policy):
        states = body(input_ids=ids, use_cache=False).last_hidden_state
        given = policy(input_ids=ids, use_cache=False).logits
        made = head(states)
    return given.shape == made.shape and bool(torch.allclose(given, made, rtol=1e-3, atol=1e-3))
