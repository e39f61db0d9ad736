"""Checkpoints: bitwise round trips, two kept, nothing half-written."""

from pathlib import Path

import pytest
import torch
from torch import nn

from preftune.recipe import Optimizer
from preftune.records import RunFailed
from preftune.training import checkpoint as checkpoint_module
from preftune.training import load_weights, weights_of
from preftune.training.checkpoint import (
    complete_checkpoints,
    load_checkpoint,
    save_checkpoint,
    step_of,
)
from tests.models.made import FAMILIES, make_policy
from tests.training.made import make_data, make_network, make_training, squares

SETTINGS = Optimizer(learning_rate=0.05, weight_decay=0.1, schedule="cosine")
ALL = list(range(8))


def test_going_on_from_a_checkpoint_is_bitwise_the_same(tmp_path: Path) -> None:
    whole = make_network()
    training = make_training(whole, SETTINGS)
    for at in range(6):
        if at == 3:
            state = {"best": {"value": 0.1, "step": 2, "waited": 0}, "window": [0.25]}
            save_checkpoint(tmp_path, at, training, state, {"kept": torch.arange(3.0)})
        training.step([ALL], squares(whole, *make_data()), at=at)

    resumed = make_network(seed=99)
    training = make_training(resumed, SETTINGS)
    step, found, extra = load_checkpoint(complete_checkpoints(tmp_path)[-1], training)
    assert step == 3 and found == state
    assert extra["kept"].tolist() == [0, 1, 2]
    for at in range(step, 6):
        training.step([ALL], squares(resumed, *make_data()), at=at)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_adam_s_state_is_kept_bit_by_bit(tmp_path: Path) -> None:
    network = make_network()
    training = make_training(network, SETTINGS)
    for at in range(3):
        training.step([ALL], squares(network, *make_data()), at=at)
    save_checkpoint(tmp_path, 3, training, {}, {})
    other = make_training(make_network(seed=1), SETTINGS)
    load_checkpoint(complete_checkpoints(tmp_path)[-1], other)
    for p, q in zip(network.parameters(), other.networks["net"].parameters(), strict=True):
        ours, theirs = training.optimizers["net"].state[p], other.optimizers["net"].state[q]
        assert set(ours) == set(theirs) == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_network_that_never_moved_has_no_state(tmp_path: Path) -> None:
    training = make_training(make_network(), SETTINGS)
    path = save_checkpoint(tmp_path, 1, training, {}, {})
    other = make_training(make_network(seed=5), SETTINGS)
    assert load_checkpoint(path, other)[1:] == ({}, {})
    assert not other.optimizers["net"].state


@pytest.mark.parametrize("family", FAMILIES)
def test_tied_weights_are_written_once(family: str) -> None:
    policy = make_policy(family)
    weights = weights_of(policy)
    sizes = sum(tensor.numel() for tensor in weights.values())
    assert sizes == sum(p.numel() for p in policy.parameters())
    other = make_policy(family, seed=7)
    load_weights(other, weights)
    ours, theirs = policy.state_dict(), other.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_weights_are_copies(tmp_path: Path) -> None:
    network = nn.Linear(1, 1)
    kept = weights_of(network)
    before = network.weight.item()
    with torch.no_grad():
        network.weight.add_(1)
    assert kept["weight"].item() == before


def test_the_last_two_stay(tmp_path: Path) -> None:
    training = make_training(make_network(), SETTINGS)
    for step in (5, 10, 15, 100):
        save_checkpoint(tmp_path, step, training, {}, {})
    assert [path.name for path in complete_checkpoints(tmp_path)] == [
        "step-00000015",
        "step-00000100",
    ]


def test_what_was_never_finished_is_not_seen(tmp_path: Path) -> None:
    training = make_training(make_network(), SETTINGS)
    (tmp_path / "step-00000009.partial").mkdir()
    save_checkpoint(tmp_path, 5, training, {}, {})
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["step-00000005"]
    save_checkpoint(tmp_path, 9, training, {}, {})
    assert not (tmp_path / "step-00000009.partial").exists()


def test_a_full_disk_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training(make_network(), SETTINGS)
    save_checkpoint(tmp_path, 5, training, {}, {})

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module, "save_file", full)
    with pytest.raises(RunFailed, match="disk is full") as caught:
        save_checkpoint(tmp_path, 6, training, {}, {})
    assert caught.value.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005"]


def test_a_kept_step_outlives_newer_ones(tmp_path: Path) -> None:
    training = make_training(make_network(), SETTINGS)
    for step in (5, 10, 15, 20):
        save_checkpoint(tmp_path, step, training, {}, {}, keep=10)
    assert [step_of(path) for path in complete_checkpoints(tmp_path)] == [10, 15, 20]
    save_checkpoint(tmp_path, 25, training, {}, {}, keep=20)
    assert [step_of(path) for path in complete_checkpoints(tmp_path)] == [20, 25]
