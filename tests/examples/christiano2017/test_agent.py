"""The policy's densities, the credit of the last step, and an optimum that is known."""

import math
from dataclasses import replace

import pytest
import torch

from examples.christiano2017.agent import Agent, AgentSettings
from examples.christiano2017.pendulum import Rollout


def rollout(agent: Agent, episodes: int, steps: int) -> Rollout:
    seen = torch.rand(episodes, steps, 3)
    with torch.no_grad():
        actions = agent.act(seen)
    nothing = torch.zeros(episodes, steps)
    return Rollout(seen, actions, torch.rand(episodes, 3), nothing)


def test_logprobs_are_those_of_a_normal() -> None:
    torch.manual_seed(0)
    agent = Agent(AgentSettings())
    with torch.no_grad():
        agent.log_deviation.fill_(math.log(0.5))
        seen, action = torch.rand(2, 3, 3), torch.rand(2, 3, 1)
        z = (action - agent.mean(seen)) / 0.5
        expected = -0.5 * z**2 - math.log(0.5) - 0.5 * math.log(2 * math.pi)
        assert torch.allclose(agent.logprobs(seen, action), expected.squeeze(-1), atol=1e-6)


def test_the_first_pass_has_ratio_one() -> None:
    torch.manual_seed(0)
    agent = Agent(AgentSettings())
    played = rollout(agent, 4, 20)
    old = agent._credit(played, torch.rand(4, 20))[2].view(4, 20)
    new = agent.logprobs(played.observations_BTO, played.actions_BTA)
    assert (new - old).abs().max() < 1e-6


def test_time_running_out_is_not_the_end_of_the_task() -> None:
    """With V = 7 everywhere, λ = 0: G = r + .9 · 7 at each step, the last one too."""
    torch.manual_seed(0)
    agent = Agent(replace(AgentSettings(), gamma=0.9, lam=0.0))
    last = agent.value[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(7.0)
    rewards = torch.tensor([[1.0, 2.0, 3.0]])
    returns = agent._credit(rollout(agent, 1, 3), rewards)[-1]
    assert returns.tolist() == pytest.approx([7.3, 8.3, 9.3], abs=1e-5)


def test_the_policy_goes_to_the_best_action() -> None:
    """Reward −(a − .5)² at every step whatever the state: the best mean is .5."""
    torch.manual_seed(0)
    agent = Agent(replace(AgentSettings(), gamma=0.0, learning_rate=3e-3))
    for update in range(25):
        played = rollout(agent, 8, 40)
        rewards = -(played.actions_BTA.squeeze(-1) - 0.5).square()
        agent.update(played, rewards, update / 25)
    with torch.no_grad():
        means = agent.act_best(torch.rand(50, 3))
    assert float(means.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(agent.log_deviation.detach()) < -0.3, "surer than at the start"
