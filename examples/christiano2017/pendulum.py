"""Gymnasium's Pendulum-v1: swing a rod up and hold it there.

Every episode has 200 steps and none ends early. That matters: where episodes end on failure their
length tells the agent what was wanted, and a learnt reward would get the credit (Christiano et al.
2017, appendix A, change such tasks).
"""

from collections.abc import Callable
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode

EPISODE = 200
TORQUE = 2.0
FEATURES = 4
"""cos θ, sin θ, angular speed over 8, torque over 2: all within [−1, 1]."""

Act = Callable[[torch.Tensor], torch.Tensor]
"""Observations [B, 3] → actions [B, 1] in units of the largest torque."""


class Rollout(NamedTuple):
    """B whole episodes of T steps."""

    observations_BTO: torch.Tensor
    actions_BTA: torch.Tensor
    """As the policy gave them; the environment clips them to [−1, 1]."""
    last_observations_BO: torch.Tensor
    """What would have been seen after the last step: time ran out, the task did not end."""
    true_rewards_BT: torch.Tensor
    """The task's own rewards. They measure, and answer for the synthetic teacher."""

    @property
    def features_BTF(self) -> torch.Tensor:
        """All that a reward predictor may see."""
        return torch.cat([self.observations_BTO, self.actions_BTA.clamp(-1, 1)], dim=-1)

    @property
    def true_return(self) -> float:
        """The mean over episodes of the sum of true rewards."""
        return float(self.true_rewards_BT.sum(-1).mean())


class Pendulums:
    """B pendulums side by side."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self._envs = gymnasium.make_vec(
            "Pendulum-v1",
            num_envs=count,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED},
        )
        self._envs.reset(seed=seed)

    @torch.no_grad()
    def play(self, act: Act) -> Rollout:
        """One episode on each."""
        observation, _ = self._envs.reset()
        seen, done, paid = [_scaled(observation)], [], []
        for _ in range(EPISODE):
            action = act(seen[-1])
            torques = TORQUE * action.clamp(-1, 1)
            observation, reward, ended, _, _ = self._envs.step(torques.numpy())
            if np.any(ended):
                raise RuntimeError("An episode ended early: its length would betray the reward.")
            seen.append(_scaled(observation))
            done.append(action)
            paid.append(torch.as_tensor(reward, dtype=torch.float32))
        return Rollout(
            observations_BTO=torch.stack(seen[:-1], dim=1),
            actions_BTA=torch.stack(done, dim=1),
            last_observations_BO=seen[-1],
            true_rewards_BT=torch.stack(paid, dim=1),
        )


def _scaled(observation: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(observation, dtype=torch.float32) / torch.tensor([1.0, 1.0, 8.0])
