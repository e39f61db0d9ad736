"""The surrogate with two ends, the three KL losses, masks, splits."""

import pytest
import torch

from preftune.maths.aggregation import sequence_mean
from preftune.maths.losses.grpo import (
    k1_losses,
    k2_losses,
    k3_losses,
    surrogate_losses,
    weighted_k3_losses,
)
from preftune.maths.losses.ppo import policy_loss
from tests.maths.losses.made import check_promises, check_slopes, ragged_step


@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "slope", "ends"),
    [
        (1.0, 1.25, -1.25, -1.25, (0, 0)),  # clip-higher lets it pass
        (1.0, 1.3, -1.28, 0.0, (0, 1)),
        (-1.0, 0.7, 0.8, 0.0, (1, 0)),
        (-1.0, 1.5, 1.5, 1.5, (0, 0)),
        (1.0, 0.7, -0.7, -0.7, (0, 0)),
        (2.0, 1.0, -2.0, -2.0, (0, 0)),
        (0.5, 1.5, -0.64, 0.0, (0, 1)),  # a small advantage is a good one too
    ],
)
def test_truth_table(
    advantage: float, ratio: float, loss: float, slope: float, ends: tuple[int, int]
) -> None:
    logprobs = torch.tensor([[ratio]], dtype=torch.float64).log().requires_grad_()
    result = surrogate_losses(
        logprobs_BT=logprobs,
        old_logprobs_BT=torch.zeros_like(logprobs),
        advantages_B=torch.tensor([advantage], dtype=torch.float64),
        action_mask_BT=torch.ones(1, 1, dtype=torch.bool),
        cliprange_low=0.2,
        cliprange_high=0.28,
    )
    result.losses_BT.sum().backward()
    assert logprobs.grad is not None
    assert result.losses_BT.item() == pytest.approx(loss)
    assert logprobs.grad.item() == pytest.approx(slope)
    assert (int(result.clipped_low), int(result.clipped_high)) == ends


def test_with_equal_ends_it_is_ppo_s() -> None:
    tables, mask = ragged_step(5)
    advantages = tables["advantages"].unsqueeze(-1).expand(mask.shape)
    ours = surrogate_losses(
        logprobs_BT=tables["now"],
        old_logprobs_BT=tables["old"],
        advantages_B=tables["advantages"],
        action_mask_BT=mask,
        cliprange_low=0.2,
        cliprange_high=0.2,
    )
    theirs = policy_loss(
        logprobs_BT=tables["now"],
        old_logprobs_BT=tables["old"],
        advantages_BT=advantages,
        action_mask_BT=mask,
        cliprange=0.2,
        denominator=1,
    )
    assert ours.losses_BT.sum().item() == pytest.approx(theirs.loss.item(), abs=1e-12)
    assert int(ours.clipped_low + ours.clipped_high) == int(theirs.clipped) > 0


def test_kl_losses_and_their_slopes() -> None:
    """d = .5: ½ d² = .125 with slope .5; e^−.5 − 1 + .5 = .1065307 with slope 1 − e^−.5."""
    for losses, value, slope in (
        (k1_losses, 0.5, 1.0),
        (k2_losses, 0.125, 0.5),
        (k3_losses, 0.1065307, 0.3934693),
    ):
        now = torch.tensor([[-0.5]], dtype=torch.float64, requires_grad=True)
        table = losses(
            logprobs_BT=now,
            reference_logprobs_BT=torch.tensor([[-1.0]], dtype=torch.float64),
            action_mask_BT=torch.ones(1, 1, dtype=torch.bool),
        )
        table.sum().backward()
        assert now.grad is not None
        assert (table.item(), now.grad.item()) == pytest.approx((value, slope), abs=1e-7)


def test_expected_gradients_of_the_kl_losses() -> None:
    """Under π = (.5, .3, .2), by logits: none for k1; reverse KL for k2 and for k3 times the
    ratio; forward KL for k3."""
    reference = torch.tensor([0.4, 0.4, 0.2], dtype=torch.float64)

    def slope(losses) -> torch.Tensor:  # type: ignore[no-untyped-def]
        logits = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log().requires_grad_()
        logprobs = logits.log_softmax(-1)
        table = losses(
            logprobs_BT=logprobs.unsqueeze(-1),
            reference_logprobs_BT=reference.log().unsqueeze(-1),
            action_mask_BT=torch.ones(3, 1, dtype=torch.bool),
        )
        (logprobs.detach().exp() * table.squeeze(-1)).sum().backward()
        assert logits.grad is not None
        return logits.grad

    policy = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    log_ratio = (policy / reference).log()
    reverse = policy * (log_ratio - (policy * log_ratio).sum())
    assert torch.allclose(slope(k1_losses), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(slope(k2_losses), reverse, atol=1e-12)
    assert torch.allclose(slope(k3_losses), policy - reference, atol=1e-12)
    assert torch.allclose(slope(on_policy), reverse, atol=1e-12)


def on_policy(**tables: torch.Tensor) -> torch.Tensor:
    return weighted_k3_losses(old_logprobs_BT=tables["logprobs_BT"].detach(), **tables)


def test_weighted_k3_off_policy_is_the_reverse_kl() -> None:
    """Over another sampler's tokens too: Σ q ρ k3 = KL(π‖π_ref); masked tokens cost nothing."""
    probabilities = [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2]]
    policy, sampler, reference = torch.tensor(probabilities, dtype=torch.float64)
    table = weighted_k3_losses(
        logprobs_BT=policy.log().unsqueeze(-1),
        old_logprobs_BT=sampler.log().unsqueeze(-1),
        reference_logprobs_BT=reference.log().unsqueeze(-1),
        action_mask_BT=torch.ones(3, 1, dtype=torch.bool),
    )
    exact = (policy * (policy / reference).log()).sum()
    assert (sampler * table.squeeze(-1)).sum().item() == pytest.approx(exact.item(), abs=1e-12)
    nothing = weighted_k3_losses(
        logprobs_BT=policy.log().unsqueeze(-1),
        old_logprobs_BT=torch.full((3, 1), float("-inf"), dtype=torch.float64),
        reference_logprobs_BT=reference.log().unsqueeze(-1),
        action_mask_BT=torch.zeros(3, 1, dtype=torch.bool),
    )
    assert nothing.eq(0).all()


def loss_of(part: dict[str, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
    surrogate = surrogate_losses(
        logprobs_BT=part["now"],
        old_logprobs_BT=part["old"],
        advantages_B=part["advantages"],
        action_mask_BT=mask,
        cliprange_low=0.2,
        cliprange_high=0.28,
    )
    kl_BT = k3_losses(
        logprobs_BT=part["now"], reference_logprobs_BT=part["reference"], action_mask_BT=mask
    )
    losses_BT = surrogate.losses_BT + 0.1 * kl_BT
    return sequence_mean(losses_BT=losses_BT, action_mask_BT=mask, responses=3)


def test_promises() -> None:
    check_promises(loss_of)
    check_slopes(loss_of)


def test_advantages_old_and_reference_are_constants() -> None:
    tables, mask = ragged_step(6)
    given = {name: table.clone().requires_grad_() for name, table in tables.items()}
    loss_of(given, mask).backward()
    assert given["now"].grad is not None
    assert all(given[name].grad is None for name in ("old", "reference", "advantages"))
