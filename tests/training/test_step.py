"""The optimizer step against AdamW written out, and what it does with numbers that are none."""

import math

import pytest
import torch
from torch import nn

from preftune.recipe import Optimizer
from preftune.records import RunFailed
from preftune.training import Loss, StepReport, Training
from tests.training.made import PLAIN, make_data, make_network, make_training, squares

ALL = list(range(8))


def steps(
    groups: list[list[int]], settings: Optimizer = PLAIN, count: int = 3
) -> tuple[nn.Module, list[StepReport]]:
    network = make_network()
    training = make_training(network, settings)
    objective = squares(network, *make_data())
    return network, [training.step(groups, objective, at=at) for at in range(count)]


@pytest.mark.parametrize("groups", [[[0, 1, 2], [3, 4, 5, 6, 7]], [[i] for i in ALL]])
def test_accumulation_is_the_whole_batch(groups: list[list[int]]) -> None:
    whole, reports = steps([ALL])
    split, others = steps(groups)
    for a, b in zip(whole.parameters(), split.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    for one, other in zip(reports, others, strict=True):
        assert other.loss == pytest.approx(one.loss, abs=1e-6)
        assert other.grad_norms["net"] == pytest.approx(one.grad_norms["net"], abs=1e-6)
        assert other.sums == pytest.approx(one.sums, abs=1e-5)


def test_names_that_end_in_max_take_the_largest() -> None:
    _, (report,) = steps([[0], [1, 2, 3, 4, 5, 6, 7]], count=1)
    network = make_network()
    x, y = make_data()
    error = (network(x).squeeze(-1) - y).detach()
    assert report.sums["worst_max"] == pytest.approx(float(error.abs().max()), abs=1e-6)
    assert report.sums["error"] == pytest.approx(float(error.sum()), abs=1e-5)


def test_one_step_is_adamw_by_hand() -> None:
    settings = Optimizer(
        learning_rate=0.01,
        schedule="constant",
        weight_decay=0.1,
        betas=(0.9, 0.95),
        epsilon=1e-5,
        max_grad_norm=1e9,
    )
    network = make_network()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    x, y = make_data()
    (network(x).squeeze(-1) - y).square().mean().backward()
    slopes = {name: p.grad for name, p in network.named_parameters()}
    moved, _ = steps([ALL], settings, count=1)
    for name, parameter in moved.named_parameters():
        slope = slopes[name]
        assert slope is not None
        decayed = before[name] * (1 - 0.01 * 0.1 * (before[name].ndim >= 2))
        m, v = 0.1 * slope, 0.05 * slope**2
        expected = decayed - 0.01 * (m / 0.1) / ((v / 0.05).sqrt() + 1e-5)
        assert torch.allclose(parameter, expected, atol=1e-9), name


def test_weight_decay_leaves_biases_and_norms_alone() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    settings = Optimizer(learning_rate=0.1, schedule="constant", weight_decay=0.5)
    training = make_training(network, settings)
    training.step([0], lambda _: Loss(0.0 * sum(p.sum() for p in network.parameters()), {}), at=0)
    for name, parameter in network.named_parameters():
        factor = 0.95 if parameter.ndim == 2 else 1.0
        assert torch.allclose(parameter, before[name] * factor), name


def test_gradients_are_clipped_to_the_global_norm() -> None:
    limited = PLAIN.model_copy(update={"max_grad_norm": 0.01})
    network = make_network()
    training = make_training(network, limited)
    seen: list[float] = []
    move = training._move

    def spy(name: str, at: int) -> float:
        squared = sum(
            float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None
        )
        seen.append(math.sqrt(squared))
        return move(name, at)

    training._move = spy  # type: ignore[method-assign]
    report = training.step([ALL], squares(network, *make_data()), at=0)
    assert report.grad_norms["net"] > 0.1, "what is reported is the norm before"
    assert seen == pytest.approx([0.01], rel=1e-4)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_before_the_weights_move(poison: float) -> None:
    network = make_network()
    training = make_training(network)
    training.step([ALL], squares(network, *make_data()), at=0)
    before = [p.detach().clone() for p in network.parameters()]
    x, y = make_data()
    x[3] = poison
    with pytest.raises(RunFailed, match="optimizer step 2 is not a finite number") as caught:
        training.step([[0, 1], [2, 3]], squares(network, x, y), at=1)
    assert caught.value.exit_code == 1 and "checkpoint" in caught.value.remedy
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert all(p.grad is None for p in network.parameters())


def test_a_gradient_that_is_no_number_stops_too() -> None:
    network = nn.Linear(1, 1)
    training = make_training(network)
    with pytest.raises(RunFailed):  # the loss is 0, its slope infinite
        training.step([0], lambda _: Loss((network.weight * 0).sqrt().sum(), {}), at=0)


def test_only_some_networks_move() -> None:
    nets = {"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)}
    training = Training(nets, {"a": PLAIN, "b": PLAIN}, 10, seed=0)
    before = {name: net.weight.detach().clone() for name, net in nets.items()}

    def objective(_: int) -> Loss:
        return Loss(nets["a"].weight.sum() + nets["b"].weight.sum(), {})

    report = training.step([0], objective, at=0, only=["b"])
    assert torch.equal(nets["a"].weight, before["a"]) and nets["a"].weight.grad is None
    assert not torch.equal(nets["b"].weight, before["b"])
    assert set(report.grad_norms) == set(report.learning_rates) == {"b"}
    training.step([0], objective, at=1)
    assert nets["a"].weight.item() == pytest.approx(before["a"].item() - 0.1, abs=1e-5)


def test_dropout_is_drawn_from_the_seed_and_the_step() -> None:
    network = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5)).double()
    losses = []
    for at in (0, 0, 1):
        torch.manual_seed(len(losses))
        copy = nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5)).double()
        copy.load_state_dict(network.state_dict())
        training = make_training(copy)
        losses.append(training.step([ALL], squares(copy, *make_data()), at=at).loss)
    assert losses[0] == losses[1] != losses[2]


def test_one_step_is_rmsprop_by_hand() -> None:
    """v = .01 g² after the first gradient (α = .99), the move −lr g / (√v + ε)."""
    settings = Optimizer(
        kind="rmsprop", learning_rate=0.01, schedule="constant", epsilon=1e-5, max_grad_norm=1e9
    )
    network = make_network()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    x, y = make_data()
    (network(x).squeeze(-1) - y).square().mean().backward()
    slopes = {name: p.grad for name, p in network.named_parameters()}
    moved, _ = steps([ALL], settings, count=1)
    for name, parameter in moved.named_parameters():
        slope = slopes[name]
        assert slope is not None
        expected = before[name] - 0.01 * slope / ((0.01 * slope**2).sqrt() + 1e-5)
        assert torch.allclose(parameter, expected, atol=1e-9), name


def test_rmsprop_goes_on_from_its_mean_square() -> None:
    """Two steps with a slope of 2 each: v = .04, then .99 · .04 + .01 · 4 = .0796."""
    network = nn.Linear(1, 1, bias=False)
    settings = Optimizer(kind="rmsprop", learning_rate=0.1, schedule="constant", max_grad_norm=1e9)
    training = make_training(network, settings)
    start = network.weight.item()
    for at in range(2):
        training.step([0], lambda _: Loss(2 * network.weight.sum(), {}), at=at)
    moved = 0.1 * 2 / 0.04**0.5 + 0.1 * 2 / 0.0796**0.5
    assert network.weight.item() == pytest.approx(start - moved, abs=1e-5)


def test_rmsprop_decays_no_weights() -> None:
    with pytest.raises(ValueError, match="belongs to adamw"):
        Optimizer(kind="rmsprop", weight_decay=0.1)


def test_a_network_without_settings_has_no_optimizer() -> None:
    nets = {"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)}
    training = Training(nets, {"b": PLAIN}, 10, seed=0)
    before = nets["a"].weight.detach().clone()
    report = training.step([0], lambda _: Loss(nets["b"].weight.sum(), {}), at=0)
    assert torch.equal(nets["a"].weight, before) and set(report.grad_norms) == {"b"}


def test_further_losses_join_the_steps_in_which_everything_moves() -> None:
    """Slopes 1 of the objective and 3 of what comes besides: 4 in all, or 1 alone."""
    network = nn.Linear(1, 1, bias=False)
    asked: list[int] = []

    def besides(at: int) -> list[Loss]:
        asked.append(at)
        weight = network.weight.sum()
        return [Loss(weight, {"extra": weight}), Loss(2 * weight, {"extra": weight})]

    training = Training({"net": network}, {"net": PLAIN}, 10, seed=0, besides=besides)
    weight = network.weight.item()
    report = training.step([0], lambda _: Loss(network.weight.sum(), {}), at=5)
    assert report.grad_norms["net"] == pytest.approx(4.0)
    assert report.loss == pytest.approx(4 * weight)
    assert report.sums == {} and report.besides == pytest.approx({"extra": 2 * weight})
    alone = training.step([0], lambda _: Loss(network.weight.sum(), {}), at=6, only=["net"])
    assert alone.grad_norms["net"] == pytest.approx(1.0) and alone.besides == {}
    assert asked == [5]
