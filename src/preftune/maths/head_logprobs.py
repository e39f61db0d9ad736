"""Log-probabilities and entropies from hidden states, without holding several [N, V] tables.

A language model's head turns a hidden state of H numbers into V logits, of which a loss wants two
numbers. The logits are made a few positions at a time. They are kept once for the gradient, or made
again for it, so that memory is that of the states.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from preftune.maths.shapes import check_shapes

SumOf = Callable[[torch.Tensor], torch.Tensor | None]


class HeadStatistics(NamedTuple):
    """Of N tokens: log-probability and entropy of the distribution, [N], in nats, float32."""

    logprobs_N: torch.Tensor
    entropy_N: torch.Tensor


class Making(NamedTuple):
    """How logits are made: ``rows`` positions meet the head at once, in products of ``dtype``
    (float64 and float32 states keep theirs where it is float32).

    Up to ``kept`` logits stand until the first backward pass; for more, and for any later one, the
    products are made again. Where ``sum_of`` the weight tells a table, the gradient is added there
    and not handed on.
    """

    rows: int
    dtype: torch.dtype
    kept: int = 0
    sum_of: SumOf = lambda weight: None


def head_statistics(
    *,
    hidden_NH: torch.Tensor,
    weight_VH: torch.Tensor,
    tokens_N: torch.Tensor,
    temperature: float,
    making: Making,
) -> HeadStatistics:
    """log softmax(z)[token] and −Σ_v p_v log p_v, z = hidden · weightᵀ / temperature.

    With g the gradient of the log-probability and h that of the entropy H,
    ∂/∂z_v = g (1[v = token] − p_v) − h p_v (log p_v + H). Differentiable once.
    """
    check_shapes(hidden_NH=hidden_NH, weight_VH=weight_VH, tokens_N=tokens_N)
    making = making._replace(
        dtype=hidden_NH.dtype if making.dtype is torch.float32 else making.dtype,
        kept=making.kept if torch.is_grad_enabled() else 0,
    )
    logprobs, entropy = _HeadStatistics.apply(hidden_NH, weight_VH, tokens_N, temperature, making)
    return HeadStatistics(logprobs, entropy)


class _HeadStatistics(torch.autograd.Function):
    """Saved for the backward pass: states, weight, three numbers a position, and log p if kept."""

    @staticmethod
    def forward(
        context: Any,
        hidden_NH: torch.Tensor,
        weight_VH: torch.Tensor,
        tokens_N: torch.Tensor,
        temperature: float,
        how: Making,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        cast_HV = weight_VH.to(how.dtype).t()
        logprobs_N = hidden_NH.new_empty(len(hidden_NH), dtype=_wide(hidden_NH))
        totals_N, entropy_N = torch.empty_like(logprobs_N), torch.empty_like(logprobs_N)
        context.how, context.temperature, context.log_chances = how, temperature, []
        keeps = len(tokens_N) * len(weight_VH) <= how.kept
        for start in range(0, len(hidden_NH), how.rows):
            part = slice(start, start + how.rows)
            logits = _logits(hidden_NH[part], cast_HV, temperature)
            total = torch.logsumexp(logits, dim=-1)
            chosen = logits.gather(-1, tokens_N[part].unsqueeze(-1)).squeeze(-1)
            logprobs_N[part], totals_N[part] = chosen - total, total
            log_chances = logits.sub_(total.unsqueeze(-1))
            entropy_N[part] = -torch.exp(log_chances).mul_(log_chances).sum(-1)
            if keeps:
                context.log_chances.append(log_chances)
        context.save_for_backward(hidden_NH, weight_VH, tokens_N, totals_N, entropy_N)
        context.set_materialize_grads(False)
        return logprobs_N, entropy_N

    @staticmethod
    @once_differentiable
    def backward(
        context: Any, logprob_grads_N: torch.Tensor | None, entropy_grads_N: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        hidden_NH, weight_VH, tokens_N, totals_N, entropy_N = context.saved_tensors
        wants_hidden, wants_weight = context.needs_input_grad[:2]
        if logprob_grads_N is None and entropy_grads_N is None:
            return None, None, None, None, None
        how: Making = context.how
        temperature: float = context.temperature
        cast_VH = weight_VH.to(how.dtype)
        hidden_grads = torch.empty_like(hidden_NH) if wants_hidden else None
        total = how.sum_of(weight_VH)
        weight_grads = None
        if wants_weight:
            weight_grads = torch.zeros_like(weight_VH) if total is None else total
        kept, context.log_chances = context.log_chances, []  # written over below
        for start in range(0, len(hidden_NH), how.rows):
            part = slice(start, start + how.rows)
            if kept:
                log_chances = kept.pop(0)
            else:
                logits = _logits(hidden_NH[part], cast_VH.t(), temperature)
                log_chances = logits.sub_(totals_N[part].unsqueeze(-1))
            grads = _logit_grads(
                log_chances,
                tokens_N[part],
                None if logprob_grads_N is None else logprob_grads_N[part],
                None if entropy_grads_N is None else entropy_grads_N[part],
                entropy_N[part],
            )
            grads = grads.div_(temperature).to(how.dtype)
            if hidden_grads is not None:
                hidden_grads[part] = grads @ cast_VH
            if weight_grads is not None:
                _add_product(weight_grads, grads.t(), hidden_NH[part].to(how.dtype))
        return hidden_grads, weight_grads if total is None else None, None, None, None


def _add_product(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """``total += left @ right`` without a table for the product where the types are one."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _wide(states: torch.Tensor) -> torch.dtype:
    return torch.float64 if states.dtype is torch.float64 else torch.float32


def _logits(states: torch.Tensor, cast_HV: torch.Tensor, temperature: float) -> torch.Tensor:
    logits = (states.to(cast_HV.dtype) @ cast_HV).to(_wide(states))
    return logits if temperature == 1 else logits.div_(temperature)


def _logit_grads(
    log_chances: torch.Tensor,
    tokens: torch.Tensor,
    logprob_grads: torch.Tensor | None,
    entropy_grads: torch.Tensor | None,
    entropy: torch.Tensor,
) -> torch.Tensor:
    """∂/∂z of the sum over positions; writes over ``log_chances``."""
    if entropy_grads is None:
        assert logprob_grads is not None
        grads = log_chances.exp_().mul_(-logprob_grads.unsqueeze(-1))
    else:
        chances = torch.exp(log_chances)
        inside = log_chances.add_(entropy.unsqueeze(-1)).mul_(entropy_grads.unsqueeze(-1))
        if logprob_grads is not None:
            inside = inside.add_(logprob_grads.unsqueeze(-1))
        grads = chances.mul_(inside).neg_()
    if logprob_grads is not None:
        grads.scatter_add_(-1, tokens.unsqueeze(-1), logprob_grads.unsqueeze(-1))
    return grads
