"""PPO's losses: the gradient's truth table, the value clip, masks, and micro-batches."""

import numpy as np
import pytest
import torch

from preftune.maths.losses.ppo import (
    PolicyLoss,
    ValueLoss,
    dual_clip_policy_loss,
    policy_loss,
    value_loss,
)

NAN = float("nan")


def surrogate(
    ratios: list[float], advantages: list[float], denominator: float | None = None
) -> tuple[PolicyLoss, torch.Tensor]:
    """The loss at these ratios, and its gradient by the log-probabilities."""
    logprobs = torch.tensor([ratios], dtype=torch.float64).log().requires_grad_()
    result = policy_loss(
        logprobs_BT=logprobs,
        old_logprobs_BT=torch.zeros_like(logprobs),
        advantages_BT=torch.tensor([advantages], dtype=torch.float64),
        action_mask_BT=torch.ones(1, len(ratios), dtype=torch.bool),
        cliprange=0.2,
        denominator=denominator or len(ratios),
    )
    result.loss.backward()
    assert logprobs.grad is not None
    return result, logprobs.grad[0]


@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "gradient"),
    [
        (1.0, 1.3, -1.2, 0.0),
        (-1.0, 0.7, 0.8, 0.0),
        (-1.0, 1.5, 1.5, 1.5),
        (1.0, 0.7, -0.7, -0.7),
        (1.0, 1.1, -1.1, -1.1),
        (-1.0, 0.9, 0.9, 0.9),
        (2.0, 1.0, -2.0, -2.0),
    ],
)
def test_truth_table(advantage: float, ratio: float, loss: float, gradient: float) -> None:
    result, slope = surrogate([ratio], [advantage])
    assert result.loss.item() == pytest.approx(loss)
    assert slope.item() == pytest.approx(gradient)


def test_clipped_tokens_are_counted() -> None:
    result, _ = surrogate([1.3, 1.0, 0.7, 0.9], [1.0, 1.0, -1.0, 1.0])
    assert int(result.clipped) == 2


def test_fresh_rollouts_have_ratio_one_and_the_policy_gradient() -> None:
    result, slope = surrogate([1.0, 1.0, 1.0], [0.5, -2.0, 1.5])
    assert result.loss.item() == pytest.approx(0.0)
    assert slope.tolist() == pytest.approx([-0.5 / 3, 2 / 3, -0.5])
    assert result.clipped == 0


def test_advantages_and_old_logprobs_are_constants() -> None:
    tensors = [torch.zeros(1, 2, requires_grad=True) for _ in range(3)]
    policy_loss(
        logprobs_BT=tensors[0],
        old_logprobs_BT=tensors[1],
        advantages_BT=tensors[2],
        action_mask_BT=torch.ones(1, 2, dtype=torch.bool),
        cliprange=0.2,
        denominator=2,
    ).loss.backward()
    assert tensors[0].grad is not None
    assert tensors[1].grad is None and tensors[2].grad is None


def critic(values: list[float], old: list[float], returns: list[float]) -> ValueLoss:
    return value_loss(
        values_BT=torch.tensor([values]),
        old_values_BT=torch.tensor([old]),
        returns_BT=torch.tensor([returns]),
        action_mask_BT=torch.ones(1, len(values), dtype=torch.bool),
        cliprange_value=0.2,
        denominator=len(values),
    )


def test_the_larger_of_both_errors_counts() -> None:
    result = critic([0.9], [0.5], [1.0])
    assert result.loss.item() == pytest.approx(0.045)
    assert int(result.clipped) == 1
    assert int(critic([0.6], [0.5], [1.0]).clipped) == 0, "inside the range both are the same"
    assert critic([0.9, 0.9], [0.5, 0.5], [1.0, 1.0]).loss.item() == pytest.approx(0.045)


@pytest.mark.parametrize(
    ("value", "old", "target", "loss"),
    [(0.6, 0.5, 1.0, 0.08), (0.1, 0.5, 1.0, 0.405), (1.5, 0.5, 0.0, 1.125), (0.5, 0.5, 0.5, 0.0)],
)
def test_value_errors(value: float, old: float, target: float, loss: float) -> None:
    assert critic([value], [old], [target]).loss.item() == pytest.approx(loss, abs=1e-6)


def random_step(seed: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Five tables and a mask of rows with different lengths, float64."""
    rng = np.random.default_rng(seed)
    mask = torch.tensor(np.arange(6) < np.array([6, 2, 4])[:, None])
    names = ("now", "old", "advantages", "values", "old_values", "returns")
    return {name: torch.tensor(rng.normal(0, 0.3, (3, 6))) for name in names}, mask


def gradients(
    tables: dict[str, torch.Tensor], mask: torch.Tensor, parts: list[list[int]], tokens: int
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Loss and gradients by log-probabilities and values, in these micro-batches."""
    now, values = tables["now"].clone().requires_grad_(), tables["values"].clone().requires_grad_()
    total = 0.0
    for rows in parts:
        actor = policy_loss(
            logprobs_BT=now[rows],
            old_logprobs_BT=tables["old"][rows],
            advantages_BT=tables["advantages"][rows],
            action_mask_BT=mask[rows],
            cliprange=0.2,
            denominator=tokens,
        )
        critic_part = value_loss(
            values_BT=values[rows],
            old_values_BT=tables["old_values"][rows],
            returns_BT=tables["returns"][rows],
            action_mask_BT=mask[rows],
            cliprange_value=0.2,
            denominator=tokens,
        )
        loss = actor.loss + 0.1 * critic_part.loss
        loss.backward()
        total += loss.item()
    assert now.grad is not None and values.grad is not None
    return total, now.grad, values.grad


@pytest.mark.parametrize("seed", range(3))
def test_micro_batches_add_up_to_the_whole(seed: int) -> None:
    tables, mask = random_step(seed)
    whole = gradients(tables, mask, [[0, 1, 2]], 12)
    split = gradients(tables, mask, [[1], [2, 0]], 12)
    assert split[0] == pytest.approx(whole[0], abs=1e-12)
    assert torch.allclose(split[1], whole[1], atol=1e-12)
    assert torch.allclose(split[2], whole[2], atol=1e-12)


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_is_masked_changes_neither_loss_nor_gradient(side: str) -> None:
    tables, mask = random_step(3)
    if side == "left":
        mask = mask.flip(-1)
    loss, by_logprobs, by_values = gradients(tables, mask, [[0, 1, 2]], 12)
    poisoned = {name: torch.where(mask, table, NAN) for name, table in tables.items()}
    again = gradients(poisoned, mask, [[0, 1, 2]], 12)
    assert again[0] == pytest.approx(loss, abs=1e-12)
    assert torch.equal(again[1], by_logprobs) and torch.equal(again[2], by_values)
    assert (again[1][~mask] == 0).all() and (again[2][~mask] == 0).all()


def test_gradients_are_those_of_finite_differences() -> None:
    tables, mask = random_step(4)
    _, by_logprobs, by_values = gradients(tables, mask, [[0, 1, 2]], 12)
    for name, slope in (("now", by_logprobs), ("values", by_values)):
        for place in ((0, 0), (0, 5), (1, 1), (2, 3), (2, 5)):
            sides = []
            for shift in (1e-6, -1e-6):
                moved = {key: table.clone() for key, table in tables.items()}
                moved[name][place] += shift
                sides.append(gradients(moved, mask, [[0, 1, 2]], 12)[0])
            assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(float(slope[place]), abs=1e-6)


@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "gradient"),
    [
        (-1.0, 5.0, 3.0, 0.0),  # −A ρ = 5, held at 3 · 1
        (-2.0, 5.0, 6.0, 0.0),
        (-1.0, 2.9, 2.9, 2.9),  # not yet
        (1.0, 5.0, -1.2, 0.0),  # a good advantage knows the first clip alone
        (-1.0, 0.7, 0.8, 0.0),
        (1.0, 1.1, -1.1, -1.1),  # inside both: held by none
    ],
)
def test_the_second_clip(advantage: float, ratio: float, loss: float, gradient: float) -> None:
    logprobs = torch.tensor([[ratio]], dtype=torch.float64).log().requires_grad_()
    result = dual_clip_policy_loss(
        logprobs_BT=logprobs,
        old_logprobs_BT=torch.zeros(1, 1, dtype=torch.float64),
        advantages_BT=torch.tensor([[advantage]], dtype=torch.float64),
        action_mask_BT=torch.ones(1, 1, dtype=torch.bool),
        cliprange=0.2,
        dual_clip=3.0,
        denominator=1,
    )
    result.loss.backward()
    assert result.loss.item() == pytest.approx(loss)
    assert logprobs.grad is not None and logprobs.grad.item() == pytest.approx(gradient)
    assert int(result.clipped) == int(gradient == 0)


def dual(
    tables: dict[str, torch.Tensor], mask: torch.Tensor, parts: list[list[int]], clip: float
) -> tuple[float, torch.Tensor]:
    now, total = (5 * tables["now"]).requires_grad_(), 0.0
    for rows in parts:
        loss = dual_clip_policy_loss(
            logprobs_BT=now[rows],
            old_logprobs_BT=tables["old"][rows],
            advantages_BT=tables["advantages"][rows],
            action_mask_BT=mask[rows],
            cliprange=0.2,
            dual_clip=clip,
            denominator=12,
        ).loss
        loss.backward()
        total += loss.item()
    assert now.grad is not None
    return total, now.grad


def test_the_second_clip_promises_what_the_first_does() -> None:
    """Micro-batches, order, NaN where masked; and far away it is the first clip alone."""
    tables, mask = random_step(6)
    whole, split = dual(tables, mask, [[0, 1, 2]], 1.5), dual(tables, mask, [[1], [2, 0]], 1.5)
    assert split[0] == pytest.approx(whole[0], abs=1e-12)
    assert torch.allclose(split[1], whole[1], atol=1e-12)
    order = [2, 0, 1]
    turned = dual({n: t[order] for n, t in tables.items()}, mask[order], [[0, 1, 2]], 1.5)
    assert torch.equal(turned[1], whole[1][order])
    poisoned = dual(
        {n: torch.where(mask, t, NAN) for n, t in tables.items()}, mask, [[0, 1, 2]], 1.5
    )
    assert poisoned[0] == pytest.approx(whole[0], abs=1e-12)
    assert torch.equal(poisoned[1], whole[1])
    single = {**tables, "now": 5 * tables["now"]}
    far = dual(tables, mask, [[0, 1, 2]], 1e9)
    plain = policy_loss(
        logprobs_BT=single["now"],
        old_logprobs_BT=tables["old"],
        advantages_BT=tables["advantages"],
        action_mask_BT=mask,
        cliprange=0.2,
        denominator=12,
    )
    assert far[0] == pytest.approx(plain.loss.item(), abs=1e-12)
    assert whole[0] < far[0], "some token was held"
