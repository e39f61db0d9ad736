"""TRPO's pieces on a tabular softmax, whose natural gradient is known, and on masked batches."""

import numpy as np
import pytest
import torch

from preftune.maths.losses.trpo import conjugate_gradient, mean_kl, step_length, surrogate

NAN = float("nan")
POLICY = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
ADVANTAGES = torch.tensor([-1.0, 0.0, 1.0, 2.0], dtype=torch.float64)
ONE = torch.ones(1, 1, dtype=torch.bool)


def kl(logits: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    return mean_kl(
        old_logits_BTV=old.view(1, 1, -1),
        logits_BTV=logits.view(1, 1, -1),
        action_mask_BT=ONE,
        temperature=1.0,
        denominator=1,
    )


def fisher_times(vector: torch.Tensor) -> torch.Tensor:
    """The gradient of (∇KL · v) at the policy itself."""
    logits = POLICY.log().requires_grad_()
    (slope,) = torch.autograd.grad(kl(logits, POLICY.log()), logits, create_graph=True)
    assert slope.abs().max() < 1e-15, "at the old policy the KL is at its minimum"
    (product,) = torch.autograd.grad(slope.dot(vector), logits)
    return product


def test_the_hessian_of_the_kl_is_the_fisher_matrix() -> None:
    """Of a softmax's logits: diag(π) − π πᵀ."""
    fisher = torch.diag(POLICY) - torch.outer(POLICY, POLICY)
    for index in range(4):
        unit = torch.eye(4, dtype=torch.float64)[index]
        assert torch.allclose(fisher_times(unit), fisher[index], atol=1e-14)


def test_the_natural_gradient_of_a_softmax_is_the_centred_advantage() -> None:
    """r = 0…3 has mean 1 under π, so A = (−1, 0, 1, 2), Var_π A = .4 + .2 + .4 = 1 = sᵀHs."""
    gradient = POLICY * ADVANTAGES
    direction = conjugate_gradient(
        product=fisher_times, gradient_N=gradient, iterations=10, damping=0.0
    )
    centred = direction - (POLICY * direction).sum()
    assert centred.tolist() == pytest.approx([-1.0, 0.0, 1.0, 2.0], abs=1e-9)
    assert float(direction.dot(fisher_times(direction))) == pytest.approx(1.0, abs=1e-9)


def test_the_step_of_delta_and_the_kl_it_really_has() -> None:
    """√(2 · .01 / 1) = .141421; π ∝ π_old e^{.141421 A}; its KL is .010268, above δ = .01."""
    length = step_length(direction_N=ADVANTAGES, curved_N=fisher_times(ADVANTAGES), kl_limit=0.01)
    assert float(length) == pytest.approx(0.141421, abs=1e-6)
    moved = POLICY.log() + length * ADVANTAGES
    assert moved.softmax(-1).tolist() == pytest.approx(
        [0.343702, 0.296935, 0.228028, 0.131334], abs=1e-6
    )
    assert float(kl(moved, POLICY.log())) == pytest.approx(0.010268, abs=1e-6)
    shorter = POLICY.log() + 0.8 * length * ADVANTAGES
    assert float(kl(shorter, POLICY.log())) < 0.01, "one step of the line search is enough"


def test_nothing_to_go_along_is_no_step() -> None:
    nothing = torch.zeros(4, dtype=torch.float64)
    assert (
        conjugate_gradient(
            product=fisher_times, gradient_N=nothing, iterations=3, damping=0.1
        ).tolist()
        == [0.0] * 4
    )
    assert float(step_length(direction_N=nothing, curved_N=nothing, kl_limit=0.01)) == 0.0


@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_conjugate_gradient_solves_the_damped_system(damping: float) -> None:
    """As many iterations as dimensions, against numpy's solver."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(6, 6))
    matrix, target = half @ half.T, rng.normal(size=6)
    found = conjugate_gradient(
        product=lambda v: torch.tensor(matrix) @ v,
        gradient_N=torch.tensor(target),
        iterations=12,
        damping=damping,
    )
    expected = np.linalg.solve(matrix + damping * np.eye(6), target)
    assert np.allclose(found.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_the_surrogate_is_the_ratio_times_the_advantage() -> None:
    """(1.5 · 1 + .5 · −2) / 2 = .25; slopes ρ A / 2; nothing is clipped."""
    logprobs = torch.tensor([[1.5, 0.5]], dtype=torch.float64).log().requires_grad_()
    value = surrogate(
        logprobs_BT=logprobs,
        old_logprobs_BT=torch.zeros(1, 2, dtype=torch.float64),
        advantages_BT=torch.tensor([[1.0, -2.0]], dtype=torch.float64),
        action_mask_BT=torch.ones(1, 2, dtype=torch.bool),
        denominator=2,
    )
    value.backward()
    assert value.item() == pytest.approx(0.25)
    assert logprobs.grad is not None and logprobs.grad[0].tolist() == pytest.approx([0.75, -0.5])


def both(
    tables: dict[str, torch.Tensor], mask: torch.Tensor, parts: list[list[int]]
) -> tuple[float, torch.Tensor]:
    """Surrogate minus KL of log-softmaxed logits, and the gradient by the logits."""
    logits, total = tables["logits"].clone().requires_grad_(), 0.0
    for rows in parts:
        tokens = torch.zeros_like(mask[rows], dtype=torch.long).unsqueeze(-1)
        logprobs = logits[rows].log_softmax(-1).gather(-1, tokens).squeeze(-1)
        value = surrogate(
            logprobs_BT=logprobs,
            old_logprobs_BT=tables["old"][rows],
            advantages_BT=tables["advantages"][rows],
            action_mask_BT=mask[rows],
            denominator=int(mask.sum()),
        ) - mean_kl(
            old_logits_BTV=tables["old_logits"][rows],
            logits_BTV=logits[rows],
            action_mask_BT=mask[rows],
            temperature=0.7,
            denominator=int(mask.sum()),
        )
        value.backward()
        total += value.item()
    assert logits.grad is not None
    return total, logits.grad


def random_tables(seed: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    rng = np.random.default_rng(seed)
    mask = torch.tensor(np.arange(6) < np.array([6, 2, 4])[:, None])
    flat, deep = (3, 6), (3, 6, 5)
    shapes = {"old": flat, "advantages": flat, "logits": deep, "old_logits": deep}
    return {name: torch.tensor(rng.normal(0, 0.5, shape)) for name, shape in shapes.items()}, mask


@pytest.mark.parametrize("parts", [[[1], [2, 0]], [[2], [1], [0]]])
def test_micro_batches_and_ranks_add_up_to_the_whole(parts: list[list[int]]) -> None:
    tables, mask = random_tables(0)
    whole, split = both(tables, mask, [[0, 1, 2]]), both(tables, mask, parts)
    assert split[0] == pytest.approx(whole[0], abs=1e-12)
    assert torch.allclose(split[1], whole[1], atol=1e-12)


def test_the_order_of_responses_does_not_matter() -> None:
    tables, mask = random_tables(1)
    order = [2, 0, 1]
    one = both(tables, mask, [[0, 1, 2]])
    other = both({n: t[order] for n, t in tables.items()}, mask[order], [[0, 1, 2]])
    assert other[0] == pytest.approx(one[0], abs=1e-12)
    assert torch.equal(other[1], one[1][order])


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_is_masked_changes_neither_value_nor_gradient(side: str) -> None:
    tables, mask = random_tables(2)
    mask = mask.flip(-1) if side == "left" else mask
    value, slope = both(tables, mask, [[0, 1, 2]])
    poisoned = {
        name: torch.where(mask if table.ndim == 2 else mask.unsqueeze(-1), table, NAN)
        for name, table in tables.items()
    }
    again, poisoned_slope = both(poisoned, mask, [[0, 1, 2]])
    assert again == pytest.approx(value, abs=1e-12)
    assert torch.allclose(poisoned_slope[mask], slope[mask], atol=1e-14)


def test_the_kl_is_at_the_temperature_and_a_mean() -> None:
    """At temperature ½ logits count double: π ∝ (16, 9, 4, 1) against .25 each, over 2 tokens.

    KL(uniform ‖ π) = −log 4 + log 30 − ¼ log(16 · 9 · 4 · 1) = −1.386294 + 3.401197 − 1.589027.
    """
    value = mean_kl(
        old_logits_BTV=torch.zeros(1, 1, 4, dtype=torch.float64),
        logits_BTV=POLICY.log().view(1, 1, -1),
        action_mask_BT=ONE,
        temperature=0.5,
        denominator=2,
    )
    assert value.item() == pytest.approx(0.425876 / 2, abs=1e-6)
    backwards = mean_kl(
        old_logits_BTV=POLICY.log().view(1, 1, -1),
        logits_BTV=torch.zeros(1, 1, 4, dtype=torch.float64),
        action_mask_BT=ONE,
        temperature=0.5,
        denominator=1,
    )
    # Σ p log 4p with p = 16/30, 9/30, 4/30, 1/30
    chances = [16 / 30, 9 / 30, 4 / 30, 1 / 30]
    assert backwards.item() == pytest.approx(sum(p * np.log(4 * p) for p in chances))


def test_the_solution_scales_with_the_gradient() -> None:
    """What is near enough is told from the gradient's own size: a tiny one is solved as well."""
    whole, tiny = (
        conjugate_gradient(
            product=fisher_times, gradient_N=size * POLICY * ADVANTAGES, iterations=10, damping=0.1
        )
        for size in (1.0, 1e-6)
    )
    assert torch.allclose(1e6 * tiny, whole, atol=1e-9)


def test_a_sharper_curve_means_a_shorter_step() -> None:
    """s = (1, 2), H s = (2, 6): sᵀHs = 14, √(2 · .07 / 14) = .1."""
    length = step_length(
        direction_N=torch.tensor([1.0, 2.0]), curved_N=torch.tensor([2.0, 6.0]), kl_limit=0.07
    )
    assert length.item() == pytest.approx(0.1)
