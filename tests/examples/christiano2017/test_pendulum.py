"""What the predictor sees is what the reward is about: same step, same action."""

import pytest
import torch

from examples.christiano2017.pendulum import EPISODE, Pendulums


def noisy(observations_BO: torch.Tensor) -> torch.Tensor:
    return 3 * torch.randn(len(observations_BO), 1)


def test_features_explain_the_true_rewards() -> None:
    """Gymnasium's formula, −(θ² + .1 θ̇² + .001 u²), from the features of the same step."""
    torch.manual_seed(0)
    rollout = Pendulums(3, seed=1).play(noisy)
    cos, sin, speed, torque = rollout.features_BTF.unbind(-1)
    angle = torch.atan2(sin, cos)
    expected = -(angle**2 + 0.1 * (8 * speed) ** 2 + 0.001 * (2 * torque) ** 2)
    assert torch.allclose(rollout.true_rewards_BT, expected, atol=1e-4)
    assert rollout.features_BTF.shape == (3, EPISODE, 4)
    assert rollout.features_BTF.abs().max() <= 1 + 1e-6


def test_the_last_observation_follows_the_last_step() -> None:
    """θ̇' = θ̇ + (15 sin θ + 3u) · .05, clipped to ±8: one step of the dynamics by hand."""
    torch.manual_seed(0)
    rollout = Pendulums(4, seed=2).play(noisy)
    _, sin, speed, torque = rollout.features_BTF[:, -1].unbind(-1)
    expected = (8 * speed + (15 * sin + 3 * 2 * torque) * 0.05).clamp(-8, 8)
    assert torch.allclose(8 * rollout.last_observations_BO[:, 2], expected, atol=1e-4)


def test_episodes_differ_and_seeds_repeat() -> None:
    envs, again = Pendulums(2, seed=3), Pendulums(2, seed=3)
    still = [envs.play(lambda o: 0 * o[:, :1]) for _ in range(2)]
    assert not torch.equal(still[0].observations_BTO, still[1].observations_BTO)
    repeated = again.play(lambda o: 0 * o[:, :1])
    assert torch.equal(still[0].observations_BTO, repeated.observations_BTO)
    assert still[0].true_return == pytest.approx(float(still[0].true_rewards_BT.sum()) / 2)
