"""Reward models: what scores of answers cost, given comparisons, rankings, ratings or labels.

B pairs or prompts, K answers to a prompt (or outputs of a model, or steps of an answer).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from preftune.maths.shapes import check_shapes


class GainBias(NamedTuple):
    """score = gain · raw + bias."""

    gain: float
    bias: float


def bradley_terry_loss(
    *,
    chosen_scores_B: torch.Tensor,
    rejected_scores_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    margins_B: torch.Tensor,
    weights_B: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ w [−p log σ(r_c − r_r − m) − (1 − p) log σ(r_r − r_c + m)] / ``denominator``, a scalar.

    Christiano et al. 2017, eq. 1 (p is the share of preference for ``chosen``; 1 for hard labels);
    the margin m is Llama 2's, eq. 2. ``denominator`` is the weight of the whole optimizer step.
    """
    check_shapes(
        chosen_scores_B=chosen_scores_B,
        rejected_scores_B=rejected_scores_B,
        probabilities_B=probabilities_B,
        margins_B=margins_B,
        weights_B=weights_B,
    )
    difference_B = chosen_scores_B - rejected_scores_B - margins_B
    losses_B = -probabilities_B * F.logsigmoid(difference_B) - (1 - probabilities_B) * F.logsigmoid(
        -difference_B
    )
    return (weights_B * losses_B).sum() / denominator


def centering_loss(
    *,
    chosen_scores_B: torch.Tensor,
    rejected_scores_B: torch.Tensor,
    weights_B: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ w (r_c + r_r)² / ``denominator``: holds the free additive constant near 0.

    Eisenstein et al. 2023, §2.
    """
    check_shapes(
        chosen_scores_B=chosen_scores_B, rejected_scores_B=rejected_scores_B, weights_B=weights_B
    )
    return (weights_B * (chosen_scores_B + rejected_scores_B).square()).sum() / denominator


def smoothed_probabilities(*, probabilities_B: torch.Tensor, flipped: float) -> torch.Tensor:
    """(1 − ε) p + ε (1 − p), [B]: the target when a share ε of the labels is flipped.

    With it the Bradley–Terry loss is (1 − ε) ℓ(Δ) + ε ℓ(−Δ) (cDPO's smoothing, Mitchell 2023).
    """
    check_shapes(probabilities_B=probabilities_B)
    return (1 - flipped) * probabilities_B + flipped * (1 - probabilities_B)


def k_wise_loss(
    *,
    chosen_scores_B: torch.Tensor,
    rejected_scores_B: torch.Tensor,
    elements_B: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ_e (1/n_e) Σ_{pairs of e} −log σ(r_w − r_l) / ``denominator``, a scalar.

    Ouyang et al. 2022, eq. 1, where n_e is C(K, 2) less the ties, which are no pairs.
    ``elements_B`` numbers the prompt each pair belongs to, from 0; all its pairs are here.
    ``denominator`` is the number of prompts in the whole optimizer step.
    """
    check_shapes(
        chosen_scores_B=chosen_scores_B,
        rejected_scores_B=rejected_scores_B,
        elements_B=elements_B,
    )
    pairs_B = torch.bincount(elements_B)[elements_B]
    losses_B = -F.logsigmoid(chosen_scores_B - rejected_scores_B)
    return (losses_B / pairs_B).sum() / denominator


def best_of_softmax_loss(
    *,
    scores_BK: torch.Tensor,
    answer_mask_BK: torch.Tensor,
    best_B: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ −log [exp r_b / Σ_k exp r_k] / ``denominator``, a scalar.

    Ziegler et al. 2019, eq. 1, with four answers there. ``best_B`` is the place of the best;
    ``answer_mask_BK`` is True where there is an answer.
    """
    check_shapes(scores_BK=scores_BK, answer_mask_BK=answer_mask_BK, best_B=best_B)
    held_BK = torch.where(answer_mask_BK, scores_BK, float("-inf"))
    best_score_B = held_BK.gather(1, best_B.unsqueeze(-1)).squeeze(-1)
    return (held_BK.logsumexp(-1) - best_score_B).sum() / denominator


def plackett_luce_loss(
    *,
    scores_BK: torch.Tensor,
    ranks_BK: torch.Tensor,
    answer_mask_BK: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ_k −log [exp r_k / Σ_{j: rank_j ≥ rank_k} exp r_j] / ``denominator``, a scalar.

    Plackett 1975; Luce 1959. The sum is over answers whose rank nobody shares: answers tied for
    the last place are an unordered rest, so ranks (1, 2, 2, 2) say only which is best. Equals
    Bradley–Terry for two answers and not the mean over pairs for more.
    """
    check_shapes(scores_BK=scores_BK, ranks_BK=ranks_BK, answer_mask_BK=answer_mask_BK)
    held_BK = torch.where(answer_mask_BK, scores_BK, scores_BK.new_zeros(()))
    there_BKK = answer_mask_BK.unsqueeze(1) & answer_mask_BK.unsqueeze(2)
    not_better_BKK = ranks_BK.unsqueeze(1) >= ranks_BK.unsqueeze(2)
    same_rank_BKK = ranks_BK.unsqueeze(1) == ranks_BK.unsqueeze(2)
    left_BKK = (there_BKK & not_better_BKK) | torch.eye(
        held_BK.shape[1], dtype=torch.bool, device=held_BK.device
    )
    remaining_BKK = held_BK.unsqueeze(1).expand(left_BKK.shape)
    rest_BK = torch.where(left_BKK, remaining_BKK, float("-inf")).logsumexp(-1)
    alone_BK = answer_mask_BK & ((there_BKK & same_rank_BKK).sum(-1) == 1)
    losses_BK = torch.where(alone_BK, rest_BK - held_BK, held_BK.new_zeros(()))
    return losses_BK.sum() / denominator


def rating_loss(
    *,
    scores_BK: torch.Tensor,
    ratings_BK: torch.Tensor,
    rated_mask_BK: torch.Tensor,
    scales_K: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ ((score − rating) / s_k)² over the ratings given / ``denominator``, a scalar.

    Regression on ratings (Ziegler et al. 2019, released code: mean squared error) for K axes.
    ``rated_mask_BK`` is True where there is a rating; s_k is the standard deviation of axis k's
    ratings, so that no axis outweighs another by its unit.
    """
    check_shapes(
        scores_BK=scores_BK, ratings_BK=ratings_BK, rated_mask_BK=rated_mask_BK, scales_K=scales_K
    )
    zero = scores_BK.new_zeros(())
    errors_BK = torch.where(rated_mask_BK, scores_BK, zero) - torch.where(
        rated_mask_BK, ratings_BK, zero
    )
    return (errors_BK / scales_K).square().sum() / denominator


def label_loss(
    *,
    logits_BK: torch.Tensor,
    targets_BK: torch.Tensor,
    labelled_mask_BK: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """Σ [−y log σ(z) − (1 − y) log σ(−z)] over the labelled entries / ``denominator``, a scalar.

    The steps of an answer (Lightman et al. 2023), or the safety label of answers (Touvron et al.
    2023, §3.2.2). y is 0 to 1; ``labelled_mask_BK`` is True where there is a label.
    """
    check_shapes(logits_BK=logits_BK, targets_BK=targets_BK, labelled_mask_BK=labelled_mask_BK)
    zero = logits_BK.new_zeros(())
    logits_BK = torch.where(labelled_mask_BK, logits_BK, zero)
    targets_BK = torch.where(labelled_mask_BK, targets_BK, zero)
    losses_BK = -targets_BK * F.logsigmoid(logits_BK) - (1 - targets_BK) * F.logsigmoid(-logits_BK)
    return torch.where(labelled_mask_BK, losses_BK, zero).sum() / denominator


def normalisation(*, raw_scores_B: torch.Tensor) -> GainBias:
    """The gain and bias that give these raw scores mean 0 and (population) standard deviation 1.

    gain = 1/σ, bias = −gain · μ (Ziegler et al. 2019, §2.1 and released code).
    """
    check_shapes(raw_scores_B=raw_scores_B)
    gain = 1.0 / max(float(raw_scores_B.double().std(correction=0)), 1e-8)
    return GainBias(gain=gain, bias=-gain * float(raw_scores_B.double().mean()))
