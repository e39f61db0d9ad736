"""One score from several models' scores of the same answers. M members, B answers."""

import torch

from preftune.maths.shapes import check_shapes


def centred(*, scores_MB: torch.Tensor, offsets_M: torch.Tensor) -> torch.Tensor:
    """score − the member's offset, [M, B].

    A Bradley–Terry score has a free constant, another one in each member: before a minimum or a
    variance is taken, each member's mean score on one reference set is taken off (Eisenstein et
    al. 2023).
    """
    check_shapes(scores_MB=scores_MB, offsets_M=offsets_M)
    return scores_MB - offsets_M.unsqueeze(-1)


def mean_score(*, scores_MB: torch.Tensor) -> torch.Tensor:
    """The members' mean, [B]."""
    check_shapes(scores_MB=scores_MB)
    return scores_MB.mean(0)


def worst_case(*, scores_MB: torch.Tensor) -> torch.Tensor:
    """min over members, [B] (Coste et al. 2023, worst-case optimisation)."""
    check_shapes(scores_MB=scores_MB)
    return scores_MB.amin(0)


def uncertainty_weighted(*, scores_MB: torch.Tensor, penalty: float, ddof: int) -> torch.Tensor:
    """mean − λ · variance over members, [B] (Coste et al. 2023, uncertainty-weighted).

    The variance divides by M − ``ddof``: 0 for the variance of these very members (Coste et al.'s
    best of n), 1 for the unbiased estimate (their PPO).
    """
    check_shapes(scores_MB=scores_MB)
    return scores_MB.mean(0) - penalty * scores_MB.var(0, correction=ddof)
