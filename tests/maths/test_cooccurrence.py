"""Mutual information by hand; singular vectors rebuild what they came from."""

import math

import pytest
import torch

from preftune.maths.cooccurrence import positive_pmi, spectral_vectors

COUNTS = torch.tensor([[0.0, 8.0, 0.0], [8.0, 1.0, 1.0], [0.0, 1.0, 15.0]])


def test_mutual_information_of_a_small_table() -> None:
    """34 meetings; the rows add up to 8, 10 and 16.

    p(0, 1) = 8/34 and p(0) p(1) = 8/34 · 10/34: log 3.4. p(2, 2): log (15 · 34 / 256). p(1, 1) =
    1/34 against 100/34²: log .34, below 0. (0, 0) never met.
    """
    found = positive_pmi(counts_VV=COUNTS, smoothing=1.0)
    assert found[0, 1].item() == pytest.approx(math.log(3.4))
    assert found[2, 2].item() == pytest.approx(math.log(15 * 34 / 256))
    assert found[1, 1] == 0 and found[0, 0] == 0 and found[0, 2] == 0


def test_smoothing_takes_from_rare_contexts() -> None:
    """8^.75 = 4.757, 10^.75 = 5.623, 16^.75 = 8: the context 1 has the share 5.623 / 18.380."""
    found = positive_pmi(counts_VV=COUNTS, smoothing=0.75)
    shares = [8**0.75, 10**0.75, 16**0.75]
    assert found[0, 1].item() == pytest.approx(math.log(1 / (shares[1] / sum(shares))))
    rare = positive_pmi(counts_VV=COUNTS, smoothing=1.0)[1, 0]
    assert found[1, 0] < rare


def test_a_token_that_met_nobody_is_zero_and_finite() -> None:
    counts = torch.zeros(4, 4)
    counts[:3, :3] = COUNTS
    found = positive_pmi(counts_VV=counts, smoothing=0.75)
    assert torch.isfinite(found).all() and not found[3].any() and not found[:, 3].any()


def test_vectors_multiply_back_to_the_table() -> None:
    """U √S (U √S)ᵀ is the table where it is symmetric and positive: here A Aᵀ of rank 3."""
    torch.manual_seed(4)
    factor = torch.randn(12, 3)
    table = factor @ factor.T
    vectors = spectral_vectors(association_VV=table, width=3)
    assert vectors.shape == (12, 3)
    assert torch.allclose(vectors @ vectors.T, table, atol=1e-4)


def test_the_strongest_directions_come_first() -> None:
    torch.manual_seed(4)
    table = torch.diag(torch.tensor([1.0, 9.0, 4.0, 0.5]))
    vectors = spectral_vectors(association_VV=table, width=2)
    expected = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    assert torch.allclose(vectors.abs(), expected, atol=1e-5)


def test_one_meeting_counts() -> None:
    """Two pairs that met once each: p = 1/2 against 1/2 · 1/2, so log 2."""
    found = positive_pmi(counts_VV=torch.eye(2), smoothing=1.0)
    assert found.flatten().tolist() == pytest.approx([math.log(2), 0, 0, math.log(2)])
