"""Which pairs to ask about: who is chosen, with what probability, and what that is good for."""

import numpy as np
import pytest
import torch

from preftune.maths.segments import preference_variance, segment_preferences
from preftune.records import BadInput
from preftune.stats import pairs_within, preference_disagreement, select_queries


def test_pairs_within_a_prompt() -> None:
    pairs = pairs_within(["a", "b", "a", "a", "c", "b"])
    assert pairs.tolist() == [[0, 2], [0, 3], [2, 3], [1, 5]]
    assert pairs_within(["a", "b"]).shape == (0, 2)


def test_disagreement_by_hand() -> None:
    """Rows 0 and 1: σ(0) = .5 and σ(log 3) = .75, variance .015625. Rows 0 and 2: both .5."""
    scores = [[0.0, 0.0, 0.0], [np.log(3), 0.0, np.log(3)]]
    found = preference_disagreement(scores, np.array([[0, 1], [0, 2]]))
    assert found.tolist() == pytest.approx([0.015625, 0.0])


def test_disagreement_is_that_of_segments_without_a_lapse() -> None:
    scores = np.random.default_rng(0).normal(size=(4, 6))
    pairs = pairs_within(["p"] * 6)
    preferences = segment_preferences(
        first_returns_MN=torch.tensor(scores[:, pairs[:, 0]]),
        second_returns_MN=torch.tensor(scores[:, pairs[:, 1]]),
        lapse=0.0,
    )
    expected = preference_variance(preferences_MN=preferences).tolist()
    assert preference_disagreement(scores, pairs).tolist() == pytest.approx(expected)


def test_the_most_disputed_are_chosen() -> None:
    found = select_queries(
        [0.1, 0.25, 0.0, 0.2, 0.2], 3, random_share=0.0, rng=np.random.default_rng(0)
    )
    assert found.places.tolist() == [1, 3, 4]
    assert not found.at_random.any()
    assert found.inclusion.tolist() == [1.0, 1.0, 1.0]


def test_a_share_is_chosen_at_random() -> None:
    disputed = np.linspace(0.25, 0, 50)
    found = select_queries(disputed, 10, random_share=0.3, rng=np.random.default_rng(1))
    assert len(set(found.places.tolist())) == 10
    assert found.at_random.tolist() == [True] * 3 + [False] * 7
    rest = [place for place in range(50) if place not in found.places[:3]]
    assert found.places[3:].tolist() == rest[:7]


def test_all_at_random_is_a_plain_sample() -> None:
    found = select_queries(np.ones(20), 5, random_share=1.0, rng=np.random.default_rng(2))
    assert found.at_random.all() and found.inclusion.tolist() == pytest.approx([0.25] * 5)
    everything = select_queries(np.ones(4), 4, random_share=0.5, rng=np.random.default_rng(2))
    assert sorted(everything.places.tolist()) == [0, 1, 2, 3]
    assert everything.inclusion.tolist() == pytest.approx([1.0] * 4)


def test_inclusion_by_hand() -> None:
    """Three pairs, one at random and one disputed. The first is always in: by chance or as the
    most disputed. The second: by chance 1/3, or when chance took the first, 1/3. The third: 1/3.
    """
    chance: dict[int, float] = {}
    for seed in range(20):
        found = select_queries(
            [0.2, 0.1, 0.0], 2, random_share=0.5, rng=np.random.default_rng(seed)
        )
        chance |= dict(zip(found.places.tolist(), found.inclusion.tolist(), strict=True))
    assert chance == pytest.approx({0: 1.0, 1: 2 / 3, 2: 1 / 3})


def test_inclusion_is_how_often_it_happens() -> None:
    disputed = np.random.default_rng(3).random(12)
    rng, draws = np.random.default_rng(4), 4000
    times, claimed = np.zeros(12), np.zeros(12)
    for _ in range(draws):
        found = select_queries(disputed, 6, random_share=0.5, rng=rng)
        times[found.places] += 1
        claimed[found.places] = found.inclusion
    # Four standard errors of a share of 4,000 draws.
    assert times / draws == pytest.approx(claimed, abs=0.032)
    assert claimed.sum() == pytest.approx(6)


def test_weights_make_a_disputed_choice_fair() -> None:
    """The mean over the pool of something that goes with disagreement, from the chosen alone."""
    disputed = np.linspace(0, 1, 40)
    rng = np.random.default_rng(5)
    weighted, plain = [], []
    for _ in range(1500):
        found = select_queries(disputed, 20, random_share=0.5, rng=rng)
        values = disputed[found.places]
        weighted.append(float((values / found.inclusion).sum()) / 40)
        plain.append(float(values.mean()))
    assert np.mean(weighted) == pytest.approx(0.5, abs=0.01)
    assert np.mean(plain) > 0.6


@pytest.mark.parametrize(("count", "share"), [(0, 0.1), (4, 0.1), (2, 1.5), (2, -0.1)])
def test_impossible_choices_are_refused(count: int, share: float) -> None:
    with pytest.raises(BadInput, match="Cannot choose"):
        select_queries([0.1, 0.2, 0.3], count, random_share=share, rng=np.random.default_rng(0))


def test_one_member_cannot_disagree() -> None:
    pairs = np.array([[0, 1]])
    with pytest.raises(BadInput, match="two members"):
        preference_disagreement([[0.1, 0.2]], pairs)
    with pytest.raises(BadInput, match="finite"):
        preference_disagreement([[0.1, np.nan], [0.1, 0.2]], pairs)
