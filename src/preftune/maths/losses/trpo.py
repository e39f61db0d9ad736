"""TRPO's surrogate, the KL it is held to, and the step between them."""

from collections.abc import Callable

import torch

from preftune.maths.ratios import log_ratio
from preftune.maths.shapes import check_shapes


def surrogate(
    *,
    logprobs_BT: torch.Tensor,
    old_logprobs_BT: torch.Tensor,
    advantages_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ_t ρ_t A_t / ``denominator``, ρ_t = π(y_t)/π_old(y_t), a scalar to be raised.

    Schulman et al. 2015, eq. 14. ``denominator`` is the number of action tokens in the whole
    batch. Advantages and old log-probabilities are constants.
    """
    check_shapes(
        logprobs_BT=logprobs_BT,
        old_logprobs_BT=old_logprobs_BT,
        advantages_BT=advantages_BT,
        action_mask_BT=action_mask_BT,
    )
    log_ratio_BT = log_ratio(
        logprobs_BT=logprobs_BT, old_logprobs_BT=old_logprobs_BT, action_mask_BT=action_mask_BT
    )
    zero = logprobs_BT.new_zeros(())
    advantages_BT = torch.where(action_mask_BT, advantages_BT.detach(), zero)
    return (advantages_BT * log_ratio_BT.exp()).sum() / denominator


def mean_kl(
    *,
    old_logits_BTV: torch.Tensor,
    logits_BTV: torch.Tensor,
    action_mask_BT: torch.Tensor,
    temperature: float,
    denominator: float,
) -> torch.Tensor:
    """Σ_t KL(π_old ‖ π)(state t) / ``denominator`` in nats, over whole distributions, a scalar.

    The constraint of Schulman et al. 2015, eq. 14; π_old is a constant. At π = π_old its gradient
    is 0 and its Hessian the mean Fisher matrix.
    """
    check_shapes(
        old_logits_BTV=old_logits_BTV, logits_BTV=logits_BTV, action_mask_BT=action_mask_BT
    )
    kind = torch.promote_types(logits_BTV.dtype, torch.float32)
    zero = logits_BTV.new_zeros((), dtype=kind)
    mask_BT1 = action_mask_BT.unsqueeze(-1)
    now_BTV = torch.where(mask_BT1, logits_BTV.to(kind), zero) / temperature
    old_BTV = torch.where(mask_BT1, old_logits_BTV.detach().to(kind), zero) / temperature
    logprobs_BTV, old_logprobs_BTV = now_BTV.log_softmax(-1), old_BTV.log_softmax(-1)
    kl_BT = (old_logprobs_BTV.exp() * (old_logprobs_BTV - logprobs_BTV)).sum(-1)
    return kl_BT.sum() / denominator


def conjugate_gradient(
    *,
    product: Callable[[torch.Tensor], torch.Tensor],
    gradient_N: torch.Tensor,
    iterations: int,
    damping: float,
) -> torch.Tensor:
    """s with (H + damping · I) s = g, as near as ``iterations`` bring it, [N].

    Hestenes & Stiefel 1952, started at 0; ``product`` multiplies by H, which must be positive
    semi-definite. It stops early once the residual is 1e-10 of the gradient's square.
    """
    check_shapes(gradient_N=gradient_N)
    solution_N = torch.zeros_like(gradient_N)
    residual_N = direction_N = gradient_N.detach()
    square = residual_N.dot(residual_N)
    enough = 1e-10 * square
    for _ in range(iterations):
        if square <= enough:
            break
        curved_N = product(direction_N) + damping * direction_N
        length = square / direction_N.dot(curved_N)
        solution_N = solution_N + length * direction_N
        residual_N = residual_N - length * curved_N
        last, square = square, residual_N.dot(residual_N)
        direction_N = residual_N + (square / last) * direction_N
    return solution_N


def step_length(
    *, direction_N: torch.Tensor, curved_N: torch.Tensor, kl_limit: float
) -> torch.Tensor:
    """√(2 δ / sᵀHs), a scalar: along s the quadratic model of the KL is then δ = ``kl_limit``.

    Schulman et al. 2015, appendix C. ``curved_N`` is H s without damping; 0 where H s is 0.
    """
    check_shapes(direction_N=direction_N, curved_N=curved_N)
    curvature = direction_N.dot(curved_N)
    zero = torch.zeros_like(curvature)
    return torch.where(curvature > 0, (2 * kl_limit / curvature).sqrt(), zero)
