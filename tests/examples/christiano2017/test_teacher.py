"""Clips, pairs, answers and when to ask."""

from typing import cast

import numpy as np
import pytest
import torch

from examples.christiano2017.pendulum import EPISODE, Rollout
from examples.christiano2017.teacher import (
    Clips,
    SyntheticTeacher,
    ask,
    clips_of,
    labels_due,
    random_pairs,
)
from tests.examples.christiano2017.made import clips


def test_clips_are_pieces_of_one_episode() -> None:
    steps = torch.arange(2 * EPISODE, dtype=torch.float32).view(2, EPISODE)
    seen = steps[..., None].expand(2, EPISODE, 3)
    rollout = Rollout(seen, torch.zeros(2, EPISODE, 1), torch.zeros(2, 3), steps)
    found = clips_of(rollout, 30)
    assert len(found) == 2 * 6, "200 steps are six clips of 30 and a remainder"
    assert found.features_NTF[7, :, 0].tolist() == [*range(230, 260)]
    assert float(found.true_returns_N[7]) == sum(range(230, 260))


def answer(first: list[float], second: list[float], **how: float) -> torch.Tensor:
    def made(returns: list[float]) -> Clips:
        return Clips(torch.zeros(len(returns), 1, 4), torch.tensor(returns))

    return SyntheticTeacher(**how)(made(first), made(second))


def test_the_synthetic_teacher_prefers_the_larger_return() -> None:
    assert answer([2, 1, 3], [1, 2, 3]).tolist() == [1.0, 0.0, 0.5]
    assert answer([2, 1, 3], [1.5, 2, 3], tie_width=0.5).tolist() == [0.5, 0.0, 0.5]


def test_mistakes_are_as_frequent_as_said() -> None:
    torch.manual_seed(0)
    wrong = 1 - answer([1.0] * 4000, [0.0] * 4000, mistakes=0.2)
    # Four standard errors.
    assert float(wrong.mean()) == pytest.approx(0.2, abs=0.026)


def test_what_a_teacher_cannot_tell_is_left_out() -> None:
    made = clips(4, seed=0)

    def unsure(first: Clips, second: Clips) -> torch.Tensor:
        return torch.tensor([1.0, float("nan"), 0.5])

    found = ask(unsure, made, torch.tensor([[0, 1], [1, 2], [3, 0]]))
    assert found.preferences_N.tolist() == [1.0, 0.5]
    assert torch.equal(found.first_NTF, made.features_NTF[[0, 3]])
    assert torch.equal(found.second_NTF, made.features_NTF[[1, 0]])
    assert len(found.followed_by(found)) == 4


def test_pairs_are_different_and_of_different_clips() -> None:
    pairs = random_pairs(12, 60, np.random.default_rng(0))
    names = {tuple(sorted(cast(list[int], pair))) for pair in pairs.tolist()}
    assert len(names) == 60 and all(one != other for one, other in names)
    turned = float((pairs[:, 0] > pairs[:, 1]).float().mean())
    assert 0.3 < turned < 0.7, "which comes first is chance"
    assert len(random_pairs(4, 100, np.random.default_rng(0))) == 6, "there are no more"


def test_labels_fall_due_early() -> None:
    """A quarter before training, 300 · (.25 + .75 · .9) half-way, all but .75 % at the end."""
    assert labels_due(300, 0.25, 0.0) == 75
    assert labels_due(400, 0.25, 0.5) == 370
    assert labels_due(400, 0.25, 1.0) == 397
    due = [labels_due(10_000, 0.25, t / 20) for t in range(21)]
    asked = np.diff(due)
    assert (np.diff(asked) < 0).all() and asked[-1] > 0
