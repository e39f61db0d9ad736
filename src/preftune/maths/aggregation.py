"""One number from losses on tokens. Which mean is taken is a choice of objective, not a detail.

With the counts of the whole optimizer step as denominators, parts of a step add up to the step,
however it is split into micro-batches or over machines. :func:`local_token_mean` is the exception.
"""

import torch

from preftune.maths.masked import masked_mean, masked_sum
from preftune.maths.shapes import check_shapes


def sequence_mean(
    *, losses_BT: torch.Tensor, action_mask_BT: torch.Tensor, responses: float
) -> torch.Tensor:
    """Σ_i (1/|y_i|) Σ_t l_it / ``responses``: every response counts the same (GRPO).

    Shao et al. 2024, eq. 3. A token of a long response counts for less than one of a short.
    ``responses`` is their number in the whole optimizer step.
    """
    check_shapes(losses_BT=losses_BT, action_mask_BT=action_mask_BT)
    lengths_B1 = action_mask_BT.sum(-1, keepdim=True).clamp(min=1)
    return masked_sum(values_BT=losses_BT / lengths_B1, mask_BT=action_mask_BT) / responses


def token_mean(
    *, losses_BT: torch.Tensor, action_mask_BT: torch.Tensor, tokens: float
) -> torch.Tensor:
    """Σ_i Σ_t l_it / ``tokens``: every token counts the same (DAPO).

    Yu et al. 2025, eq. 8. ``tokens`` is the number of action tokens in the whole optimizer step.
    """
    check_shapes(losses_BT=losses_BT, action_mask_BT=action_mask_BT)
    return masked_sum(values_BT=losses_BT, mask_BT=action_mask_BT) / tokens


def constant_mean(
    *, losses_BT: torch.Tensor, action_mask_BT: torch.Tensor, responses: float, longest: float
) -> torch.Tensor:
    """Σ_i Σ_t l_it / (``responses`` · ``longest``): no length enters (Dr. GRPO).

    Liu et al. 2025, section 3.2. ``longest`` is a constant, the most tokens a response may have;
    with ``longest`` = 1 it is the mean over responses of the sum over tokens.
    """
    check_shapes(losses_BT=losses_BT, action_mask_BT=action_mask_BT)
    return masked_sum(values_BT=losses_BT, mask_BT=action_mask_BT) / (responses * longest)


def local_token_mean(
    *, losses_BT: torch.Tensor, action_mask_BT: torch.Tensor, responses: float
) -> torch.Tensor:
    """B/``responses`` · mean over this micro-batch's own tokens (TRL's ``bnpo``).

    The parts do not add up to the whole: a token counts for more in a micro-batch of short
    responses, so the result depends on how the step is split. Only for comparison with others.
    """
    check_shapes(losses_BT=losses_BT, action_mask_BT=action_mask_BT)
    share = len(losses_BT) / responses
    return share * masked_mean(values_BT=losses_BT, mask_BT=action_mask_BT)
