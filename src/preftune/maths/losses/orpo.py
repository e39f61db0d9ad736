"""Odds-ratio preference optimisation: likelihood and preference in one loss, no reference."""

import torch
import torch.nn.functional as F

from preftune.maths.shapes import check_shapes

CERTAIN = -1e-6
"""Mean log-probabilities above this are taken as this, so that no odds are infinite."""


def log_odds(*, mean_logprobs_B: torch.Tensor) -> torch.Tensor:
    """log(P / (1 − P)) with log P the mean log-probability of the response's tokens, [B].

    log P − log(1 − e^{log P}). P is a geometric mean over tokens: of the sum the odds of any
    long answer would be about its probability.
    """
    check_shapes(mean_logprobs_B=mean_logprobs_B)
    logp_B = mean_logprobs_B.clamp(max=CERTAIN)
    return logp_B - torch.log(-torch.expm1(logp_B))


def orpo_loss(
    *,
    chosen_mean_logprobs_B: torch.Tensor,
    rejected_mean_logprobs_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    weights_B: torch.Tensor,
    lam: float,
    denominator: float,
) -> torch.Tensor:
    """Σ w [−log P_w + λ (−p log σ(Δ) − (1 − p) log σ(−Δ))] / ``denominator``, a scalar.

    Hong et al. 2024, eq. 6–7. Δ = :func:`log_odds` of chosen minus rejected; p = 1 for hard
    labels. The likelihood term is the chosen answer's mean over its own tokens.
    """
    check_shapes(
        chosen_mean_logprobs_B=chosen_mean_logprobs_B,
        rejected_mean_logprobs_B=rejected_mean_logprobs_B,
        probabilities_B=probabilities_B,
        weights_B=weights_B,
    )
    difference_B = log_odds(mean_logprobs_B=chosen_mean_logprobs_B) - log_odds(
        mean_logprobs_B=rejected_mean_logprobs_B
    )
    odds_B = -probabilities_B * F.logsigmoid(difference_B) - (1 - probabilities_B) * F.logsigmoid(
        -difference_B
    )
    return (weights_B * (lam * odds_B - chosen_mean_logprobs_B)).sum() / denominator
