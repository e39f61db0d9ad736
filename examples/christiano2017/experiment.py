"""One run: play → ask → fit the predictors → credit with their rewards → update the policy."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from examples.christiano2017.agent import Agent, AgentSettings
from examples.christiano2017.pendulum import FEATURES, Pendulums, Rollout
from examples.christiano2017.predictor import Ensemble, PredictorSettings
from examples.christiano2017.teacher import (
    Clips,
    SyntheticTeacher,
    Teacher,
    ask,
    clips_of,
    labels_due,
    random_pairs,
)
from preftune.artifacts import derive_seed
from preftune.maths.masked import whiten
from preftune.maths.segments import preference_variance
from preftune.records import BadInput
from preftune.stats import select_queries, spearman


@dataclass(frozen=True)
class Settings:
    """A run that works, in half a minute of one core."""

    labels: int = 300
    first_share: float = 0.25
    """Asked about a policy that has learnt nothing yet."""
    clip: int = 25
    candidates: int = 10
    """Pairs looked at for each one that is asked about."""
    random_share: float = 0.1
    """Of the questions, those chance chooses; 1 asks at random altogether."""
    iterations: int = 50
    pendulums: int = 16
    first_fit: int = 200
    """Optimizer steps of the predictors before the policy moves."""
    fit: int = 30
    """Optimizer steps of the predictors an iteration."""
    test_episodes: int = 100
    agent: AgentSettings = field(default_factory=AgentSettings)
    predictor: PredictorSettings = field(default_factory=PredictorSettings)


@dataclass(frozen=True)
class Outcome:
    """Lists have one entry an iteration. Returns are true ones, 0 at best."""

    returns: list[float]
    labels: list[int]
    train_losses: list[float]
    held_out_losses: list[float]
    rank_correlations: list[float]
    """Spearman's, between predicted and true rewards of the iteration's steps."""
    final_return: float
    """Without noise in the actions, on test episodes that are the same for all runs."""


Show = Callable[[int, float, int], None]
"""What to do after an iteration: its number, true return and labels so far."""


def quiet(iteration: int, true_return: float, labels: int) -> None:
    """Shows nothing."""


def random_policy(settings: Settings) -> float:
    """The true return of torques drawn evenly from the allowed range, on the test episodes."""
    torch.manual_seed(derive_seed(0, "random policy"))
    return _test(settings, lambda seen_BO: 2 * torch.rand(len(seen_BO), 1) - 1)


def from_true_rewards(settings: Settings, seed: int, show: Show = quiet) -> Outcome:
    """The same agent on the task's own rewards: what a teacher could at best bring about."""
    agent, envs, _ = _start(settings, seed)
    returns = []
    for iteration in range(settings.iterations):
        rollout = envs.play(agent.act)
        rewards_BT = rollout.true_rewards_BT
        everywhere_BT = torch.ones_like(rewards_BT, dtype=torch.bool)
        scaled_BT = whiten(values_BT=rewards_BT, mask_BT=everywhere_BT)
        agent.update(rollout, scaled_BT, iteration / settings.iterations)
        returns.append(rollout.true_return)
        show(iteration, returns[-1], 0)
    return Outcome(returns, [], [], [], [], _test(settings, agent.act_best))


def from_preferences(
    settings: Settings,
    seed: int,
    teacher: Teacher | None = None,
    show: Show = quiet,
) -> Outcome:
    """The paper's loop. Without a teacher, a synthetic one that makes no mistakes."""
    teacher = teacher or SyntheticTeacher()
    agent, envs, rng = _start(settings, seed)
    ensemble = Ensemble(settings.predictor, FEATURES)

    # Before training: clips of the untrained policy, pairs at random.
    clips = clips_of(envs.play(agent.act), settings.clip)
    due = labels_due(settings.labels, settings.first_share, 0.0)
    known = ask(teacher, clips, random_pairs(len(clips), due, rng))
    if not len(known):
        raise BadInput(
            f"There is no answer to any of the first {due} questions, so nothing to learn from.",
            remedy="Ask for more labels.",
        )
    ensemble.fit(known, settings.first_fit)
    asked = due

    returns, labels, fits, agreement = [], [], [], []
    for iteration in range(settings.iterations):
        progress = iteration / settings.iterations
        rollout = envs.play(agent.act)

        # Ask about what the policy does now, where the members disagree.
        due = labels_due(settings.labels, settings.first_share, progress) - asked
        if due > 0:
            clips = clips_of(rollout, settings.clip)
            pairs_N2 = choose(settings, ensemble, clips, due, rng)
            known = known.followed_by(ask(teacher, clips, pairs_N2))
            asked += due

        fit = ensemble.fit(known, settings.fit)
        rewards_BT = ensemble.rewards(rollout.features_BTF)
        agent.update(rollout, rewards_BT, progress)

        returns.append(rollout.true_return)
        labels.append(len(known))
        fits.append(fit)
        agreement.append(_agreement(rollout, rewards_BT))
        show(iteration, returns[-1], labels[-1])
    return Outcome(
        returns=returns,
        labels=labels,
        train_losses=[fit.train_loss for fit in fits],
        held_out_losses=[fit.held_out_loss for fit in fits],
        rank_correlations=agreement,
        final_return=_test(settings, agent.act_best),
    )


def choose(
    settings: Settings, ensemble: Ensemble, clips: Clips, count: int, rng: np.random.Generator
) -> torch.Tensor:
    """``count`` of ``candidates`` times as many random pairs, by disagreement but for a share."""
    pool_N2 = random_pairs(len(clips), settings.candidates * count, rng)
    preferences_MN = ensemble.preferences(
        clips.features_NTF[pool_N2[:, 0]], clips.features_NTF[pool_N2[:, 1]]
    )
    disputed_N = preference_variance(preferences_MN=preferences_MN)
    chosen = select_queries(disputed_N.numpy(), count, random_share=settings.random_share, rng=rng)
    return pool_N2[torch.as_tensor(chosen.places)]


def _start(settings: Settings, seed: int) -> tuple[Agent, Pendulums, np.random.Generator]:
    torch.manual_seed(derive_seed(seed, "christiano2017", "torch"))
    envs = Pendulums(settings.pendulums, derive_seed(seed, "christiano2017", "world") % 2**31)
    rng = np.random.default_rng(derive_seed(seed, "christiano2017", "questions"))
    return Agent(settings.agent), envs, rng


def _test(settings: Settings, act: Callable[[torch.Tensor], torch.Tensor]) -> float:
    return Pendulums(settings.test_episodes, seed=2017).play(act).true_return


def _agreement(rollout: Rollout, rewards_BT: torch.Tensor) -> float:
    found = spearman(rewards_BT.flatten().numpy(), rollout.true_rewards_BT.flatten().numpy())
    return 0.0 if found is None else found
