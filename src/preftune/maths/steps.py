"""Where the steps of an answer end, and one score from the scores of its steps."""

import torch
import torch.nn.functional as F

from preftune.maths.shapes import check_shapes


def step_end_mask(
    *,
    tokens_BT: torch.Tensor,
    action_mask_BT: torch.Tensor,
    separators_N: torch.Tensor,
    end_token: int,
) -> torch.Tensor:
    """True at the token that ends a step, [B, T]; every answer has at least one.

    A step ends at a separator that something else stands before, and at the answer's last token
    unless that is the end token right after a separator. So empty steps are none.
    """
    check_shapes(tokens_BT=tokens_BT, action_mask_BT=action_mask_BT, separators_N=separators_N)
    separator_BT = torch.isin(tokens_BT, separators_N) & action_mask_BT
    first_BT = torch.ones_like(separator_BT[:, :1])
    after_separator_BT = torch.cat([first_BT, separator_BT[:, :-1]], dim=1)
    is_last_BT = action_mask_BT & (action_mask_BT.flip(-1).cumsum(-1).flip(-1) == 1)
    inside_BT = separator_BT & ~after_separator_BT
    closing_BT = separator_BT | ((tokens_BT == end_token) & after_separator_BT)
    ends_BT = inside_BT | (is_last_BT & ~closing_BT)
    without_B = ~ends_BT.any(-1, keepdim=True)
    return ends_BT | (is_last_BT & without_B)


def worst_step(*, scores_BT: torch.Tensor, step_mask_BT: torch.Tensor) -> torch.Tensor:
    """min over steps, [B], in log-odds. ``step_mask_BT`` is True where a step ends."""
    check_shapes(scores_BT=scores_BT, step_mask_BT=step_mask_BT)
    return torch.where(step_mask_BT, scores_BT, float("inf")).amin(-1)


def every_step(*, scores_BT: torch.Tensor, step_mask_BT: torch.Tensor) -> torch.Tensor:
    """Σ log σ(score) over steps, [B]: the log-probability that every step is right.

    The product of Lightman et al. 2023, §2, as a logarithm. Never above 0, and lower for more
    steps.
    """
    check_shapes(scores_BT=scores_BT, step_mask_BT=step_mask_BT)
    held_BT = torch.where(step_mask_BT, scores_BT, scores_BT.new_zeros(()))
    return torch.where(step_mask_BT, F.logsigmoid(held_BT), held_BT.new_zeros(())).sum(-1)


def last_step(*, scores_BT: torch.Tensor, step_mask_BT: torch.Tensor) -> torch.Tensor:
    """The score of the last step, [B], in log-odds."""
    check_shapes(scores_BT=scores_BT, step_mask_BT=step_mask_BT)
    is_last_BT = step_mask_BT & (step_mask_BT.flip(-1).cumsum(-1).flip(-1) == 1)
    return torch.where(is_last_BT, scores_BT, scores_BT.new_zeros(())).sum(-1)
