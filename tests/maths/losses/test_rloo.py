"""RLOO's loss: one ratio for a response, its truth table, masks, splits."""

import pytest
import torch

from preftune.maths.losses.reinforce import reinforce_loss
from preftune.maths.losses.rloo import ResponseLoss, rloo_loss
from tests.maths.losses.made import check_promises, check_slopes, in_parts, ragged_step


def of(ratios: list[float], advantage: float) -> tuple[ResponseLoss, list[float]]:
    """One response with these token ratios: the loss and its slopes."""
    logprobs = torch.tensor([ratios], dtype=torch.float64).log().requires_grad_()
    result = rloo_loss(
        logprobs_BT=logprobs,
        old_logprobs_BT=torch.zeros_like(logprobs),
        advantages_B=torch.tensor([advantage], dtype=torch.float64),
        action_mask_BT=torch.ones(1, len(ratios), dtype=torch.bool),
        cliprange=0.2,
        denominator=1,
    )
    result.loss.backward()
    assert logprobs.grad is not None
    return result, logprobs.grad[0].tolist()


@pytest.mark.parametrize(
    ("ratios", "advantage", "loss", "slope"),
    [
        ([1.5, 0.8], 2.0, -2.4, -2.4),  # ρ = 1.2: at the edge
        ([1.5, 1.0], 1.0, -1.2, 0.0),  # ρ = 1.5, held at 1.2
        ([0.5, 1.0], -1.0, 0.8, 0.0),  # ρ = .5, held at .8
        ([1.5, 1.0], -1.0, 1.5, 1.5),
        ([0.5, 1.0], 1.0, -0.5, -0.5),
        ([2.0, 0.5], 1.0, -1.0, -1.0),  # each token far away, the response where it was
    ],
)
def test_truth_table(ratios: list[float], advantage: float, loss: float, slope: float) -> None:
    result, slopes = of(ratios, advantage)
    assert result.loss.item() == pytest.approx(loss)
    if abs(loss) != 2.4:
        assert slopes == pytest.approx([slope, slope])
        assert int(result.clipped) == (slope == 0)


def loss_of(part: dict[str, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
    return rloo_loss(
        logprobs_BT=part["now"],
        old_logprobs_BT=part["old"],
        advantages_B=part["advantages"],
        action_mask_BT=mask,
        cliprange=5.0,
        denominator=3,
    ).loss


def test_on_fresh_responses_it_is_the_policy_gradient() -> None:
    tables, mask = ragged_step(1)
    tables["old"] = tables["now"]
    _, slope = in_parts(loss_of, tables, mask, [[0, 1, 2]])

    def plain(part: dict[str, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
        advantages = part["advantages"].unsqueeze(-1).expand(mask.shape)
        return reinforce_loss(
            logprobs_BT=part["now"], advantages_BT=advantages, action_mask_BT=mask, denominator=3
        )

    assert torch.allclose(slope, in_parts(plain, tables, mask, [[0, 1, 2]])[1], atol=1e-12)


def test_promises() -> None:
    check_promises(loss_of)
    check_slopes(loss_of)
