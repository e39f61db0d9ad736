"""Work side by side: in order, with the caller's gradient mode, never inside itself."""

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from preftune.recipe import Optimizer
from preftune.training import Loss, Training, dealt, set_workers, side_by_side, workers


@pytest.fixture(autouse=True)
def two_workers() -> Iterator[None]:
    set_workers(2)
    yield
    set_workers(1)


def test_results_come_in_the_items_order_from_two_threads() -> None:
    both = threading.Barrier(2, timeout=60)

    def square(number: int) -> tuple[int, int]:
        if number < 2:
            both.wait()  # nobody passes unless two are under way at once
        return number * number, threading.get_ident()

    done = side_by_side(square, list(range(9)))
    assert [value for value, _ in done] == [n * n for n in range(9)]
    assert threading.get_ident() not in {thread for _, thread in done}


def test_a_worker_has_none_of_its_own_and_the_caller_s_gradient_mode() -> None:
    with torch.no_grad():
        assert side_by_side(lambda _: (workers(), torch.is_grad_enabled()), [1, 2]) == [
            (1, False),
            (1, False),
        ]
    assert side_by_side(lambda _: torch.is_grad_enabled(), [1, 2]) == [True, True]
    assert workers() == 2


def test_the_first_exception_is_raised() -> None:
    def fail(number: int) -> None:
        if number:
            raise ValueError(number)

    with pytest.raises(ValueError, match="^2$"):
        side_by_side(fail, [0, 2, 3])


def test_dealing() -> None:
    assert dealt([1, 2, 3, 4, 5], 2) == [[1, 3, 5], [2, 4]]
    assert dealt([1, 2, 3, 4, 5, 6], 2, together=2) == [[1, 2, 5, 6], [3, 4]]
    assert dealt([1], 2) == [[1]]
    assert dealt([], 2) == []


INPUTS = torch.randn(12, 6, generator=torch.Generator().manual_seed(3))


def trained(count: int, dropout: float, seed: int = 5) -> tuple[torch.Tensor, list[float]]:
    """The weights after four steps of two micro-batches, and the losses."""
    set_workers(count)
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(6, 8), nn.Dropout(dropout), nn.Tanh(), nn.Linear(8, 1))
    unused = nn.Linear(2, 2)  # a weight no loss reaches
    training = Training(
        {"all": nn.ModuleList([network, unused])}, {"all": Optimizer(learning_rate=0.05)}, 4, seed
    )

    def objective(indices: list[int]) -> Loss:
        squares = network(INPUTS[indices]).square().sum() / 12
        return Loss(squares, {"count": torch.tensor(float(len(indices)))})

    reports = [
        training.step([[0, 3, 5, 7, 8], list(range(9, 12))], objective, at=k) for k in range(4)
    ]
    assert [report.sums["count"] for report in reports] == [8.0] * 4
    weights = torch.cat([p.detach().flatten() for p in network.parameters()])
    return weights, [report.loss for report in reports]


def test_a_step_of_two_workers_is_a_step() -> None:
    alone, losses = trained(1, 0.0)
    shared, same = trained(2, 0.0)
    torch.testing.assert_close(shared, alone, rtol=1e-5, atol=1e-6)
    assert same == pytest.approx(losses, rel=1e-5)
    again, _ = trained(2, 0.0)
    assert torch.equal(shared, again), "whoever comes first, the sums have one order"


def test_with_dropout_the_workers_wait_for_each_other() -> None:
    alone, losses = trained(1, 0.5)
    shared, same = trained(2, 0.5)
    assert torch.equal(shared, alone)
    assert same == losses


def test_weights_that_two_networks_share_get_their_gradient_once() -> None:
    def moved(count: int) -> torch.Tensor:
        set_workers(count)
        torch.manual_seed(1)
        body = nn.Linear(6, 1)
        first, second = nn.Sequential(body), nn.Sequential(body, nn.Linear(1, 1))
        settings = {name: Optimizer(learning_rate=0.1) for name in ("first", "second")}
        training = Training({"first": first, "second": second}, settings, 1, 0)

        def objective(indices: list[int]) -> Loss:
            return Loss((first(INPUTS[indices]) + second(INPUTS[indices])).sum() / 12, {})

        training.step([list(range(12))], objective, at=0)
        return body.weight.detach()

    torch.testing.assert_close(moved(2), moved(1), rtol=1e-5, atol=1e-6)
