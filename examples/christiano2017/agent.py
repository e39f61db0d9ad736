"""The policy, its value network, and one update by PPO on any rewards."""

from dataclasses import dataclass

import torch
from torch import nn

from examples.christiano2017.pendulum import Rollout
from preftune.maths.advantages import generalised_advantages
from preftune.maths.losses.ppo import policy_loss, value_loss
from preftune.maths.masked import whiten


@dataclass(frozen=True)
class AgentSettings:
    """PPO as it is vetted on this task."""

    learning_rate: float = 1e-3
    gamma: float = 0.95
    lam: float = 0.95
    cliprange: float = 0.2
    vf_coef: float = 0.5
    epochs: int = 10
    minibatches: int = 8
    max_grad_norm: float = 0.5


class Agent(nn.Module):
    """A Gaussian policy with one deviation for all states, and a value network beside it."""

    def __init__(self, settings: AgentSettings, observations: int = 3, hidden: int = 64) -> None:
        super().__init__()
        self.settings = settings
        self.mean = _network(observations, hidden, last_gain=0.01)
        self.value = _network(observations, hidden, last_gain=1.0)
        self.log_deviation = nn.Parameter(torch.zeros(1))
        self._optimizer = torch.optim.Adam(self.parameters(), lr=settings.learning_rate, eps=1e-5)

    def act(self, observations_BO: torch.Tensor) -> torch.Tensor:
        """An action drawn from the policy, [B, 1]."""
        mean_BA = self.mean(observations_BO)
        return mean_BA + self.log_deviation.exp() * torch.randn_like(mean_BA)

    def act_best(self, observations_BO: torch.Tensor) -> torch.Tensor:
        """The middle of the policy, [B, 1]: for measuring."""
        mean_BA: torch.Tensor = self.mean(observations_BO)
        return mean_BA

    def logprobs(self, observations_BTO: torch.Tensor, actions_BTA: torch.Tensor) -> torch.Tensor:
        """log π(a | o) in nats, [B, T]."""
        policy = torch.distributions.Normal(
            self.mean(observations_BTO), self.log_deviation.exp(), validate_args=False
        )
        logprobs_BT: torch.Tensor = policy.log_prob(actions_BTA).sum(-1)
        return logprobs_BT

    def update(self, rollout: Rollout, rewards_BT: torch.Tensor, progress: float) -> None:
        """Credit, then ``epochs`` passes in ``minibatches``; the rate falls linearly to 0."""
        settings = self.settings
        for group in self._optimizer.param_groups:
            group["lr"] = settings.learning_rate * (1 - progress)
        credited = self._credit(rollout, rewards_BT)
        steps = rewards_BT.numel()
        for _ in range(settings.epochs):
            for part in torch.randperm(steps).chunk(settings.minibatches):
                loss = self._loss(*(column[part] for column in credited))
                self._optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.parameters(), settings.max_grad_norm)
                self._optimizer.step()

    @torch.no_grad()
    def _credit(self, rollout: Rollout, rewards_BT: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One row a step: observation, action, old log-probability, old value, advantage, return.

        Time runs out at the last step, but the pendulum would go on: the value of what would have
        been seen is part of the last reward, because the formula takes it to be 0.
        """
        settings = self.settings
        values_BT = self.value(rollout.observations_BTO).squeeze(-1)
        to_come_B = self.value(rollout.last_observations_BO).squeeze(-1)
        last_BT = torch.zeros_like(rewards_BT)
        last_BT[:, -1] = settings.gamma * to_come_B
        mask_BT = torch.ones_like(rewards_BT, dtype=torch.bool)
        found = generalised_advantages(
            rewards_BT=rewards_BT + last_BT,
            values_BT=values_BT,
            action_mask_BT=mask_BT,
            gamma=settings.gamma,
            lam=settings.lam,
        )
        logprobs_BT = self.logprobs(rollout.observations_BTO, rollout.actions_BTA)
        advantages_BT = whiten(values_BT=found.advantages_BT, mask_BT=mask_BT)
        return (
            rollout.observations_BTO.flatten(0, 1),
            rollout.actions_BTA.flatten(0, 1),
            *(x.flatten() for x in (logprobs_BT, values_BT, advantages_BT, found.returns_BT)),
        )

    def _loss(
        self,
        observations_BO: torch.Tensor,
        actions_BA: torch.Tensor,
        old_logprobs_B: torch.Tensor,
        old_values_B: torch.Tensor,
        advantages_B: torch.Tensor,
        returns_B: torch.Tensor,
    ) -> torch.Tensor:
        settings, count = self.settings, len(actions_BA)
        mask_BT = torch.ones(count, 1, dtype=torch.bool)
        policy = policy_loss(
            logprobs_BT=self.logprobs(observations_BO, actions_BA)[:, None],
            old_logprobs_BT=old_logprobs_B[:, None],
            advantages_BT=advantages_B[:, None],
            action_mask_BT=mask_BT,
            cliprange=settings.cliprange,
            denominator=count,
        )
        value = value_loss(
            values_BT=self.value(observations_BO),
            old_values_BT=old_values_B[:, None],
            returns_BT=returns_B[:, None],
            action_mask_BT=mask_BT,
            cliprange_value=float("inf"),
            denominator=count,
        )
        return policy.loss + settings.vf_coef * value.loss


def _network(inputs: int, hidden: int, last_gain: float) -> nn.Sequential:
    """Two hidden layers of tanh, orthogonal weights, biases 0."""
    sizes = [(inputs, hidden, 2**0.5), (hidden, hidden, 2**0.5), (hidden, 1, last_gain)]
    layers: list[nn.Module] = []
    for before, after, gain in sizes:
        linear = nn.Linear(before, after)
        nn.init.orthogonal_(linear.weight, gain)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])
