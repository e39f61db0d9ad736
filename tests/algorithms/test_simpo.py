"""SimPO's story: its first row by hand, and the margin it asks for."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.algorithms.preferences import logprob, planted, recipe_of, run


def test_the_first_row_is_what_the_fresh_policy_says(tmp_path: Path) -> None:
    pairs = planted(8, seed=3)
    _, (row,), _ = run(tmp_path, recipe_of("simpo", beta=2.0, gamma=0.6), pairs)
    chosen = [2 * logprob(p.chosen) / len(p.chosen.response_ids) for p in pairs]
    rejected = [2 * logprob(p.rejected) / len(p.rejected.response_ids) for p in pairs]
    d = [c - r for c, r in zip(chosen, rejected, strict=True)]
    assert row["rewards/margins"] == pytest.approx(sum(d) / 8, abs=1e-3)
    assert row["rewards/accuracies"] == pytest.approx(sum(x > 0 for x in d) / 8)
    loss = sum(math.log1p(math.exp(0.6 - x)) for x in d) / 8
    assert row["loss"] == pytest.approx(loss, abs=1e-4)


def test_a_soft_label_s_difference_is_sharpened_by_the_margin(tmp_path: Path) -> None:
    """p = .7, γ = .6: d goes to Δ/2 + asinh(e^γ sinh(Δ/2)) with Δ = ln(.7/.3): 1.1535."""
    delta = math.log(0.7 / 0.3)
    expected = delta / 2 + math.asinh(math.exp(0.6) * math.sinh(delta / 2))
    pair = replace(planted(1, seed=4)[0], probability=0.7)
    _, rows, _ = run(tmp_path, recipe_of("simpo", gamma=0.6, epochs=80), [pair] * 8)
    assert rows[-1]["rewards/margins"] == pytest.approx(expected, abs=0.02)
    assert expected == pytest.approx(1.1535, abs=1e-3)
