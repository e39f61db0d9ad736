"""Advantages without a value network: a reward against other rewards.

B responses; or N prompts with G responses each, [N, G]. All are constants to the loss.
"""

import torch

from preftune.maths.shapes import check_shapes


def sequence_rewards(
    *,
    scores_B: torch.Tensor,
    kl_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    kl_coefficient: float,
) -> torch.Tensor:
    """R_i = r_i − β Σ_t KL_it, [B]: the response is one action (Ahmadian et al. 2024, eq. 4).

    ``kl_BT`` is k1, so the sum is log π(y) − log π_ref(y).
    """
    check_shapes(scores_B=scores_B, kl_BT=kl_BT, action_mask_BT=action_mask_BT)
    kl_B = torch.where(action_mask_BT, kl_BT, kl_BT.new_zeros(())).sum(-1)
    return (scores_B - kl_coefficient * kl_B).detach()


def returns_to_go(*, rewards_BT: torch.Tensor, action_mask_BT: torch.Tensor) -> torch.Tensor:
    """G_t = Σ_{i ≥ t} R_i over each response's own tokens, [B, T]; 0 where masked. γ = 1."""
    check_shapes(rewards_BT=rewards_BT, action_mask_BT=action_mask_BT)
    rewards_BT = torch.where(action_mask_BT, rewards_BT, rewards_BT.new_zeros(()))
    returns_BT = rewards_BT.flip(-1).cumsum(-1).flip(-1)
    return torch.where(action_mask_BT, returns_BT, returns_BT.new_zeros(()))


def above_batch_mean(*, rewards_B: torch.Tensor) -> torch.Tensor:
    """R_i − mean_j R_j, [B]: itself included, so (1 − 1/B) times the unbiased advantage."""
    check_shapes(rewards_B=rewards_B)
    return rewards_B - rewards_B.mean()


def moving_average(*, average: float, rewards_B: torch.Tensor, decay: float) -> float:
    """``decay`` · average + (1 − ``decay``) · mean R: the next iteration's baseline."""
    check_shapes(rewards_B=rewards_B)
    return decay * average + (1 - decay) * float(rewards_B.mean())


def above_the_others(*, rewards_NG: torch.Tensor) -> torch.Tensor:
    """R_i − mean_{j ≠ i} R_j, [N, G]: leave-one-out, unbiased at any G ≥ 2.

    Kool et al. 2019; Ahmadian et al. 2024, eq. 6. Equal to G/(G − 1) · (R_i − mean_j R_j).
    """
    check_shapes(rewards_NG=rewards_NG)
    count = rewards_NG.shape[1]
    others_NG = (rewards_NG.sum(-1, keepdim=True) - rewards_NG) / (count - 1)
    return rewards_NG - others_NG


def above_group_mean(*, rewards_NG: torch.Tensor) -> torch.Tensor:
    """R_i − mean_j R_j, [N, G], itself included (Liu et al. 2025, Dr. GRPO)."""
    check_shapes(rewards_NG=rewards_NG)
    return rewards_NG - rewards_NG.mean(-1, keepdim=True)


def group_scaled(*, rewards_NG: torch.Tensor, epsilon: float = 1e-4) -> torch.Tensor:
    """(R_i − mean_j R_j) / (std_j R_j + ε), [N, G], the unbiased std (divided by G − 1).

    Shao et al. 2024, section 4.1.2, with TRL's ε. Equal rewards give 0.
    """
    check_shapes(rewards_NG=rewards_NG)
    spread_N1 = rewards_NG.std(-1, keepdim=True, correction=1)
    return above_group_mean(rewards_NG=rewards_NG) / (spread_N1 + epsilon)


def group_scaled_population(*, rewards_NG: torch.Tensor, epsilon: float = 1e-4) -> torch.Tensor:
    """:func:`group_scaled` with the population std (divided by G)."""
    check_shapes(rewards_NG=rewards_NG)
    spread_N1 = rewards_NG.std(-1, keepdim=True, correction=0)
    return above_group_mean(rewards_NG=rewards_NG) / (spread_N1 + epsilon)


def batch_scaled(*, rewards_NG: torch.Tensor, epsilon: float = 1e-4) -> torch.Tensor:
    """(R_i − mean of its group) / (std of these differences over the whole batch + ε), [N, G].

    One scale for all prompts, so an easy prompt does not count for more (Hu et al. 2025,
    REINFORCE++ with baseline). Population std; the differences have mean 0.
    """
    check_shapes(rewards_NG=rewards_NG)
    above_NG = above_group_mean(rewards_NG=rewards_NG)
    return above_NG / (above_NG.std(correction=0) + epsilon)
