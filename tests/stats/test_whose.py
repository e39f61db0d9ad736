"""Groups and held-out labelers."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats.whose import (
    agreement_of_groups,
    agreement_with_others,
    held_out_labelers,
    labeler_folds,
    share_by_group,
)


def test_agreement_with_others_by_hand() -> None:
    shares = agreement_with_others([[1.0, 1.0, 2.0], [1.0, np.nan, np.nan]])
    assert shares.tolist()[:3] == [0.5, 0.5, 0.0] and np.isnan(shares[3])


def test_agreement_within_and_between_groups() -> None:
    """Group a: the same on both items; a with b: 2 of 2, then 0 of 2; b has one rater."""
    found = agreement_of_groups([[1, 1, 1], [2, 2, 1]], ["a", "a", "b"])
    assert found["a", "a"].value == 1.0
    assert found["a", "b"].value == pytest.approx(0.5)
    assert ("b", "b") not in found


def test_share_by_group() -> None:
    found = share_by_group([1, 0, 1, 1], ["x", "x", "y", "y"], ["p", "q", "p", "q"])
    assert found["x"].value == 0.5 and found["y"].value == 1.0
    assert found["x"].count == 2


def votes(
    rng: np.random.Generator, people: int, gap: float
) -> tuple[np.ndarray, list[int], list[int]]:
    """Every person votes on 60 of 100 prompts; people and prompts differ; the last half gap."""
    skill = rng.normal(0, 0.05, people) - gap * (np.arange(people) >= people // 2)
    hard = rng.normal(0, 0.1, 100)
    prompt = np.concatenate([rng.choice(100, 60, replace=False) for _ in range(people)])
    person = np.repeat(np.arange(people), 60)
    right = rng.random(prompt.size) < np.clip(0.7 + skill[person] + hard[prompt], 0, 1)
    return right.astype(float), person.tolist(), prompt.tolist()


def test_the_gap_is_found_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        right, person, prompt = votes(rng, 20, 0.05)
        found = held_out_labelers(right, person, range(10, 20), prompt)
        inside += found.gap.low <= 0.05 <= found.gap.high
    assert 0.89 <= inside / 200 <= 0.99
    assert found.gap.value == pytest.approx(found.training.value - found.held_out.value)


def test_one_persons_votes_are_not_independent() -> None:
    rng = np.random.default_rng(1)
    right, person, prompt = votes(rng, 8, 0.0)
    wide = held_out_labelers(right, person, [4, 5, 6, 7], prompt).gap
    for place in range(8):
        right[60 * place : 60 * place + 60] = place % 2
    wider = held_out_labelers(right, person, [4, 5, 6, 7], prompt).gap
    assert wider.high - wider.low > 3 * (wide.high - wide.low)


def test_folds_of_labelers() -> None:
    folds = labeler_folds(["b", "a", "c", "a", "d"], 2, rng=np.random.default_rng(0))
    assert sorted(map(str, folds)) == ["a", "b", "c", "d"]
    assert sorted(folds.values()) == [0, 0, 1, 1]


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="held-out ones must have votes"):
        held_out_labelers([1, 0], ["a", "b"], ["c"], ["p", "q"])
    with pytest.raises(BadInput, match="2 raters but 1 groups"):
        agreement_of_groups([[1, 2]], ["a"])
    with pytest.raises(BadInput, match="cannot be split into 3"):
        labeler_folds(["a", "b"], 3, rng=np.random.default_rng(0))
