"""Direct preference optimisation and its relatives on the same margin.

The margin of a pair is h = (log π(y_w) − log π_ref(y_w)) − (log π(y_l) − log π_ref(y_l)), the
difference of its two log-ratios to the reference. ``probabilities_B`` is the target probability p
that ``chosen`` is better: 1 for hard labels. A pair with p < 1 counts p times as it stands and
1 − p times with its sides exchanged, which negates h.
"""

import torch
import torch.nn.functional as F

from preftune.maths.shapes import check_shapes


def log_ratio_margins(
    *,
    chosen_logprobs_B: torch.Tensor,
    rejected_logprobs_B: torch.Tensor,
    reference_chosen_logprobs_B: torch.Tensor,
    reference_rejected_logprobs_B: torch.Tensor,
) -> torch.Tensor:
    """h, [B], in nats: of whole responses for sums, of a token for means over tokens.

    The reference is a constant. A constant added to both its sides changes nothing.
    """
    check_shapes(
        chosen_logprobs_B=chosen_logprobs_B,
        rejected_logprobs_B=rejected_logprobs_B,
        reference_chosen_logprobs_B=reference_chosen_logprobs_B,
        reference_rejected_logprobs_B=reference_rejected_logprobs_B,
    )
    chosen_B = chosen_logprobs_B - reference_chosen_logprobs_B.detach()
    return chosen_B - (rejected_logprobs_B - reference_rejected_logprobs_B.detach())


def dpo_loss(
    *,
    margins_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    weights_B: torch.Tensor,
    beta: float,
    denominator: float,
) -> torch.Tensor:
    """Σ w [−p log σ(βh) − (1 − p) log σ(−βh)] / ``denominator``, a scalar.

    Rafailov et al. 2023, eq. 7. ``denominator`` is the weight of the whole optimizer step. The
    gradient in h is −w β (p − σ(βh)); with p = 1 it is −w β σ(−βh).
    """
    check_shapes(margins_B=margins_B, probabilities_B=probabilities_B, weights_B=weights_B)
    logits_B = beta * margins_B
    losses_B = -probabilities_B * F.logsigmoid(logits_B) - (1 - probabilities_B) * F.logsigmoid(
        -logits_B
    )
    return (weights_B * losses_B).sum() / denominator


def cdpo_loss(
    *,
    margins_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    weights_B: torch.Tensor,
    beta: float,
    label_smoothing: float,
    denominator: float,
) -> torch.Tensor:
    """:func:`dpo_loss` with the target (1 − ε) p + ε (1 − p), ε = ``label_smoothing`` in [0, ½).

    Conservative DPO (Mitchell 2023): a margin is worth no more than βh = log((1 − ε)/ε).
    """
    check_shapes(margins_B=margins_B, probabilities_B=probabilities_B, weights_B=weights_B)
    smoothed_B = (1 - label_smoothing) * probabilities_B + label_smoothing * (1 - probabilities_B)
    return dpo_loss(
        margins_B=margins_B,
        probabilities_B=smoothed_B,
        weights_B=weights_B,
        beta=beta,
        denominator=denominator,
    )


def robust_dpo_loss(
    *,
    margins_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    weights_B: torch.Tensor,
    beta: float,
    label_smoothing: float,
    denominator: float,
) -> torch.Tensor:
    """Σ w [(1 − ε) ℓ(h) − ε ℓ(−h)] / (1 − 2ε) / ``denominator`` with ℓ the DPO loss of a pair.

    Chowdhury et al. 2024, eq. 12. Where labels were flipped at rate ε = ``label_smoothing``
    (below ½), its expectation is the DPO loss on the labels before the flips. It has no lower
    bound: the loss of a pair with p = 1 falls for ever as h grows.
    """
    check_shapes(margins_B=margins_B, probabilities_B=probabilities_B, weights_B=weights_B)
    unflipped_B = (probabilities_B - label_smoothing) / (1 - 2 * label_smoothing)
    return dpo_loss(
        margins_B=margins_B,
        probabilities_B=unflipped_B,
        weights_B=weights_B,
        beta=beta,
        denominator=denominator,
    )


def hinge_loss(
    *,
    margins_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    weights_B: torch.Tensor,
    beta: float,
    denominator: float,
) -> torch.Tensor:
    """Σ w [p max(0, 1 − βh) + (1 − p) max(0, 1 + βh)] / ``denominator``, a scalar.

    Zhao et al. 2023 (SLiC-HF) on the margin h, as Liu et al. 2024 (RSO, eq. 9) write it.
    """
    check_shapes(margins_B=margins_B, probabilities_B=probabilities_B, weights_B=weights_B)
    logits_B = beta * margins_B
    losses_B = probabilities_B * F.relu(1 - logits_B) + (1 - probabilities_B) * F.relu(1 + logits_B)
    return (weights_B * losses_B).sum() / denominator


def chosen_nll(
    *, chosen_mean_logprobs_B: torch.Tensor, weights_B: torch.Tensor, denominator: float
) -> torch.Tensor:
    """−Σ w log π(y_w|x) / |y_w| / ``denominator``, a scalar in nats a token.

    α times it, added to DPO, is RPO (Pang et al. 2024, eq. 2); it holds the chosen answer's
    log-probability up, which DPO alone may lower.
    """
    check_shapes(chosen_mean_logprobs_B=chosen_mean_logprobs_B, weights_B=weights_B)
    return -(weights_B * chosen_mean_logprobs_B).sum() / denominator
