"""Aggregated scores: hand values, permutations, what centring is for."""

import pytest
import torch

from preftune.maths.ensembles import centred, mean_score, uncertainty_weighted, worst_case

SCORES = torch.tensor([[1.0], [1.2], [2.6]], dtype=torch.float64)


def weighted(penalty: float, ddof: int, scores: torch.Tensor = SCORES) -> float:
    return uncertainty_weighted(scores_MB=scores, penalty=penalty, ddof=ddof).item()


def test_three_members_by_hand() -> None:
    """Scores (1, 1.2, 2.6): mean 4.8/3 = 1.6; squared distances .36 + .16 + 1 = 1.52, so the
    variance is .506667 of these members and .76 unbiased; 1.6 − .5 · them = 1.346667 and 1.22."""
    assert mean_score(scores_MB=SCORES).item() == pytest.approx(1.6)
    assert worst_case(scores_MB=SCORES).item() == 1.0
    assert weighted(0.5, 0) == pytest.approx(1.346667, abs=1e-6)
    assert weighted(0.5, 1) == pytest.approx(1.22)


def test_without_a_penalty_it_is_the_mean() -> None:
    assert weighted(0.0, 0) == weighted(0.0, 1) == mean_score(scores_MB=SCORES).item()


def test_the_order_of_members_does_not_count() -> None:
    turned = SCORES[[2, 0, 1]]
    assert weighted(0.5, 1, turned) == pytest.approx(weighted(0.5, 1))
    assert worst_case(scores_MB=turned).item() == 1.0


def test_members_that_differ_by_a_constant_agree_once_centred() -> None:
    one = torch.tensor([[0.0, 1.0, 2.0]], dtype=torch.float64)
    scores = torch.cat([one, one + 7, one - 3])
    together = centred(scores_MB=scores, offsets_M=scores.mean(1))
    assert together.tolist() == [[-1.0, 0.0, 1.0]] * 3
    assert worst_case(scores_MB=together).tolist() == [-1.0, 0.0, 1.0]
    plain = uncertainty_weighted(scores_MB=scores, penalty=0.5, ddof=0)
    held = uncertainty_weighted(scores_MB=together, penalty=0.5, ddof=0)
    assert held.tolist() == [-1.0, 0.0, 1.0] and plain[1] < -5
