"""KL divergence from samples (Schulman's k1, k2 and k3), and the coefficient that pays for it."""

import torch

from preftune.maths.shapes import check_shapes


def k1(*, logprobs_BT: torch.Tensor, reference_logprobs_BT: torch.Tensor) -> torch.Tensor:
    """log π − log π_ref at sampled tokens, [B, T]: unbiased for KL(π‖π_ref), may be negative."""
    check_shapes(logprobs_BT=logprobs_BT, reference_logprobs_BT=reference_logprobs_BT)
    return logprobs_BT - reference_logprobs_BT


def k2(*, logprobs_BT: torch.Tensor, reference_logprobs_BT: torch.Tensor) -> torch.Tensor:
    """½ (log π − log π_ref)² at sampled tokens, [B, T]: biased, low variance, never negative."""
    check_shapes(logprobs_BT=logprobs_BT, reference_logprobs_BT=reference_logprobs_BT)
    return 0.5 * (logprobs_BT - reference_logprobs_BT).square()


def k3(*, logprobs_BT: torch.Tensor, reference_logprobs_BT: torch.Tensor) -> torch.Tensor:
    """e^(−d) − 1 + d with d = log π − log π_ref, [B, T]: unbiased and never negative."""
    check_shapes(logprobs_BT=logprobs_BT, reference_logprobs_BT=reference_logprobs_BT)
    difference_BT = logprobs_BT - reference_logprobs_BT
    return torch.expm1(-difference_BT) + difference_BT


def horizon_update(
    *, coefficient: float, kl: float, target: float, horizon: int, episodes: int
) -> float:
    """β (1 + clip(KL/target − 1, −.2, .2) · episodes / horizon).

    The controller of Ziegler et al. 2019 as released. ``kl`` is the batch mean of the KL summed
    over each response, in nats; ``episodes`` the responses in the batch.
    """
    error = min(max(kl / target - 1.0, -0.2), 0.2)
    return coefficient * (1.0 + error * episodes / horizon)


def gain_update(*, coefficient: float, kl: float, target: float, gain: float) -> float:
    """β (1 + gain · clip(KL/target − 1, −.2, .2)), once an iteration.

    The controller as Ziegler et al. 2019 print it (K_β = .1). ``kl`` as in
    :func:`horizon_update`; the two agree only when gain = episodes / horizon.
    """
    error = min(max(kl / target - 1.0, -0.2), 0.2)
    return coefficient * (1.0 + gain * error)
