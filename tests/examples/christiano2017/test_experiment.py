"""The loop: who asks about what, that true rewards never train, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from examples.christiano2017.experiment import (
    Settings,
    choose,
    from_preferences,
    from_true_rewards,
    random_policy,
)
from examples.christiano2017.pendulum import Act, Pendulums, Rollout
from examples.christiano2017.predictor import Ensemble, PredictorSettings
from examples.christiano2017.teacher import Clips
from preftune.maths.segments import preference_variance
from tests.examples.christiano2017.made import clips, comparisons

SMALL = Settings(labels=40, iterations=3, pendulums=4, first_fit=20, fit=4, test_episodes=3)


def test_the_disputed_pairs_are_asked_about() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(PredictorSettings(), features=4)
    ensemble.fit(comparisons(30, seed=1), 30)
    pool = clips(60, seed=2)

    def disputed(share: float) -> float:
        settings = replace(SMALL, random_share=share)
        pairs = choose(settings, ensemble, pool, 20, np.random.default_rng(3))
        assert pairs.shape == (20, 2)
        preferences = ensemble.preferences(
            pool.features_NTF[pairs[:, 0]], pool.features_NTF[pairs[:, 1]]
        )
        return float(preference_variance(preferences_MN=preferences).mean())

    assert disputed(0.0) > 2 * disputed(1.0)
    assert disputed(0.0) > disputed(0.5) > disputed(1.0)


def test_a_run_repeats_and_asks_as_often_as_due() -> None:
    first, again = (from_preferences(SMALL, seed=1) for _ in range(2))
    assert first == again
    # 40 · (.25 + .75 (1 − .01^{t/3})) at t = 0, 1, 2: 10, 33.5, 38.6.
    assert first.labels == [10, 34, 39]
    assert len(first.returns) == 3 and first != from_preferences(SMALL, seed=2)


def by_speed(first: Clips, second: Clips) -> torch.Tensor:
    """A teacher who likes speed and never looks at the task's rewards."""

    def speed(clips: Clips) -> torch.Tensor:
        return clips.features_NTF[..., 2].abs().sum(-1)

    return (speed(first) > speed(second)).float()


def test_true_rewards_never_train(monkeypatch: pytest.MonkeyPatch) -> None:
    """With other true rewards and the same answers the agent does the very same things."""
    real = Pendulums.play

    def watched(change: float) -> list[torch.Tensor]:
        seen: list[torch.Tensor] = []

        def play(self: Pendulums, act: Act) -> Rollout:
            rollout = real(self, act)
            seen.append(rollout.actions_BTA)
            return rollout._replace(true_rewards_BT=change * rollout.true_rewards_BT)

        monkeypatch.setattr(Pendulums, "play", play)
        from_preferences(SMALL, seed=3, teacher=by_speed)
        return seen

    plain, changed = watched(1.0), watched(-3.0)
    assert len(plain) == 5, "before training, three iterations, the test"
    assert all(torch.equal(a, b) for a, b in zip(plain, changed, strict=True))


def test_a_few_answers_already_order_the_rewards() -> None:
    """75 answers about an untrained policy; the predictor has seen no true reward."""
    settings = replace(SMALL, labels=300, iterations=1, pendulums=16, first_fit=200)
    outcome = from_preferences(settings, seed=4)
    assert outcome.labels == [75] and outcome.rank_correlations[0] > 0.5


def test_true_rewards_are_the_other_arm() -> None:
    outcome = from_true_rewards(SMALL, seed=1)
    assert len(outcome.returns) == 3 and outcome.labels == []
    assert -1800 < random_policy(SMALL) < -600


@pytest.mark.proof
def test_three_hundred_answers_are_as_good_as_rewards() -> None:
    """Random torques get about −1,200, true rewards about −150."""
    settings = Settings()
    learnt = from_preferences(settings, seed=11).final_return
    assert learnt > -250
    assert learnt > random_policy(settings) + 700
