"""A2C's losses: hand values, constants, masks, order, and any split of the batch."""

import numpy as np
import pytest
import torch

from preftune.maths.losses.a2c import actor_loss, critic_loss

NAN = float("nan")
ROWS = [0, 1, 2]


def random_step(seed: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Four tables and a mask of rows with different lengths, float64."""
    rng = np.random.default_rng(seed)
    mask = torch.tensor(np.arange(6) < np.array([6, 2, 4])[:, None])
    names = ("now", "advantages", "values", "returns")
    return {name: torch.tensor(rng.normal(0, 0.3, (3, 6))) for name in names}, mask


def gradients(
    tables: dict[str, torch.Tensor], mask: torch.Tensor, parts: list[list[int]]
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Loss and gradients by log-probabilities and values, in these micro-batches."""
    now, values = tables["now"].clone().requires_grad_(), tables["values"].clone().requires_grad_()
    tokens, total = int(mask.sum()), 0.0
    for rows in parts:
        actor = actor_loss(
            logprobs_BT=now[rows],
            advantages_BT=tables["advantages"][rows],
            action_mask_BT=mask[rows],
            denominator=tokens,
        )
        critic = critic_loss(
            values_BT=values[rows],
            returns_BT=tables["returns"][rows],
            action_mask_BT=mask[rows],
            denominator=tokens,
        )
        loss = actor + 0.5 * critic
        loss.backward()
        total += loss.item()
    assert now.grad is not None and values.grad is not None
    return total, now.grad, values.grad


def test_hand_values() -> None:
    """−(1 · −.5 + −2 · −1.5) / 2 = −1.25; (.2² + .4²) / 2 = .1; slopes −A / 2 and V − G."""
    logprobs = torch.tensor([[-0.5, -1.5]], dtype=torch.float64, requires_grad=True)
    values = torch.tensor([[0.7, 0.1]], dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([[1.0, -2.0]], dtype=torch.float64, requires_grad=True)
    returns = torch.tensor([[0.5, 0.5]], dtype=torch.float64, requires_grad=True)
    mask = torch.ones(1, 2, dtype=torch.bool)
    actor = actor_loss(
        logprobs_BT=logprobs, advantages_BT=advantages, action_mask_BT=mask, denominator=2
    )
    critic = critic_loss(values_BT=values, returns_BT=returns, action_mask_BT=mask, denominator=2)
    assert actor.item() == pytest.approx(-1.25)
    assert critic.item() == pytest.approx(0.1)
    (actor + critic).backward()
    assert logprobs.grad is not None and values.grad is not None
    assert logprobs.grad[0].tolist() == pytest.approx([-0.5, 1.0])
    assert values.grad[0].tolist() == pytest.approx([0.2, -0.4])
    assert advantages.grad is None and returns.grad is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("parts", [[[1], [2, 0]], [[2], [1], [0]]])
def test_micro_batches_and_ranks_add_up_to_the_whole(parts: list[list[int]], seed: int) -> None:
    tables, mask = random_step(seed)
    whole, split = gradients(tables, mask, [ROWS]), gradients(tables, mask, parts)
    assert split[0] == pytest.approx(whole[0], abs=1e-12)
    assert torch.allclose(split[1], whole[1], atol=1e-12)
    assert torch.allclose(split[2], whole[2], atol=1e-12)


def test_the_order_of_responses_does_not_matter() -> None:
    tables, mask = random_step(1)
    order = [2, 0, 1]
    turned = {name: table[order] for name, table in tables.items()}
    one, other = gradients(tables, mask, [ROWS]), gradients(turned, mask[order], [ROWS])
    assert other[0] == pytest.approx(one[0], abs=1e-12)
    assert torch.equal(other[1], one[1][order]) and torch.equal(other[2], one[2][order])


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_is_masked_changes_neither_loss_nor_gradient(side: str) -> None:
    tables, mask = random_step(3)
    mask = mask.flip(-1) if side == "left" else mask
    loss, by_logprobs, by_values = gradients(tables, mask, [ROWS])
    poisoned = {name: torch.where(mask, table, NAN) for name, table in tables.items()}
    again = gradients(poisoned, mask, [ROWS])
    assert again[0] == pytest.approx(loss, abs=1e-12)
    assert torch.equal(again[1], by_logprobs) and torch.equal(again[2], by_values)
    assert (again[1][~mask] == 0).all() and (again[2][~mask] == 0).all()
