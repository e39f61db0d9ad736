"""GSPO: the ratio of a response, its clip, GSPO-token, one-token responses, masks, splits."""

import pytest
import torch

from preftune.maths.aggregation import sequence_mean
from preftune.maths.losses.grpo import surrogate_losses
from preftune.maths.losses.gspo import gspo_losses, gspo_token_losses, sequence_ratios
from tests.maths.losses.made import check_promises, check_slopes, in_parts, ragged_step


def test_the_ratio_is_the_geometric_mean() -> None:
    """√(1.2 · .9) = √1.08 = 1.0392305; the masked token is not in it."""
    ratios = sequence_ratios(
        logprobs_BT=torch.tensor([[1.2, 0.9, 7.0]], dtype=torch.float64).log(),
        old_logprobs_BT=torch.zeros(1, 3, dtype=torch.float64),
        action_mask_BT=torch.tensor([[True, True, False]]),
    )
    assert ratios.tolist() == pytest.approx([1.0392305])


def of(part: dict[str, torch.Tensor], mask: torch.Tensor, token: bool = False) -> torch.Tensor:
    given = {
        "logprobs_BT": part["now"],
        "old_logprobs_BT": part["old"],
        "action_mask_BT": mask,
        "cliprange_low": 0.1,
        "cliprange_high": 0.1,
    }
    if token:
        advantages = part["advantages"].unsqueeze(-1).expand(mask.shape)
        losses = gspo_token_losses(**given, advantages_BT=advantages)  # type: ignore[arg-type]
    else:
        losses = gspo_losses(**given, advantages_B=part["advantages"])  # type: ignore[arg-type]
    return sequence_mean(losses_BT=losses.losses_BT, action_mask_BT=mask, responses=3)


def loss_of(part: dict[str, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
    return of(part, mask)


@pytest.mark.parametrize("seed", range(5))
def test_gspo_token_is_gspo_where_a_response_has_one_advantage(seed: int) -> None:
    tables, mask = ragged_step(seed)
    plain = in_parts(loss_of, tables, mask, [[0, 1, 2]])
    token = in_parts(lambda part, m: of(part, m, token=True), tables, mask, [[0, 1, 2]])
    assert token[0] == pytest.approx(plain[0], abs=1e-12)
    assert torch.allclose(token[1], plain[1], atol=1e-12)


def test_all_tokens_of_a_response_share_its_gradient() -> None:
    """Far inside the clip the slope of each token is −s A / (|y| · B)."""
    tables, mask = ragged_step(2)
    tables["old"] = tables["now"] - 0.01
    _, slope = in_parts(loss_of, tables, mask, [[0, 1, 2]])
    lengths = mask.sum(-1, keepdim=True)
    expected = -(0.01 + torch.zeros(3, 1)).exp() * tables["advantages"].unsqueeze(-1) / lengths / 3
    assert torch.allclose(slope, torch.where(mask, expected, 0.0).double(), atol=1e-7)


def test_a_response_is_clipped_as_a_whole() -> None:
    """Ratios 1.5 and .9 have s = 1.1619 > 1.1: both tokens are held, and count."""
    result = gspo_losses(
        logprobs_BT=torch.tensor([[1.5, 0.9]], dtype=torch.float64).log(),
        old_logprobs_BT=torch.zeros(1, 2, dtype=torch.float64),
        advantages_B=torch.ones(1, dtype=torch.float64),
        action_mask_BT=torch.ones(1, 2, dtype=torch.bool),
        cliprange_low=0.1,
        cliprange_high=0.1,
    )
    assert result.losses_BT.tolist() == [pytest.approx([-1.1, -1.1])]
    assert (int(result.clipped_low), int(result.clipped_high)) == (0, 2)


@pytest.mark.parametrize("seed", range(3))
def test_with_one_token_it_is_grpo(seed: int) -> None:
    tables, mask = ragged_step(seed)
    mask = mask & (torch.arange(6) == 0)

    def grpo(part: dict[str, torch.Tensor], m: torch.Tensor) -> torch.Tensor:
        losses = surrogate_losses(
            logprobs_BT=part["now"],
            old_logprobs_BT=part["old"],
            advantages_B=part["advantages"],
            action_mask_BT=m,
            cliprange_low=0.1,
            cliprange_high=0.1,
        )
        return sequence_mean(losses_BT=losses.losses_BT, action_mask_BT=m, responses=3)

    ours = in_parts(loss_of, tables, mask, [[0, 1, 2]])
    theirs = in_parts(grpo, tables, mask, [[0, 1, 2]])
    assert ours[0] == pytest.approx(theirs[0], abs=1e-12)
    assert torch.allclose(ours[1], theirs[1], atol=1e-12)


def test_promises() -> None:
    check_promises(loss_of)
    check_slopes(loss_of)
