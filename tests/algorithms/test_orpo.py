"""ORPO's story: its first row by hand, and both of its aims."""

import math
from pathlib import Path

import pytest

from tests.algorithms.preferences import logprob, planted, recipe_of, run


def test_the_first_row_is_what_the_fresh_policy_says(tmp_path: Path) -> None:
    pairs = planted(8, seed=3)
    _, (row,), _ = run(tmp_path, recipe_of("orpo", lam=0.5), pairs)

    def odds(mean: float) -> float:
        return mean - math.log(1 - math.exp(mean))

    chosen = [logprob(p.chosen) / len(p.chosen.response_ids) for p in pairs]
    rejected = [logprob(p.rejected) / len(p.rejected.response_ids) for p in pairs]
    differences = [odds(c) - odds(r) for c, r in zip(chosen, rejected, strict=True)]
    nll = -sum(chosen) / 8
    ratio = sum(math.log1p(math.exp(-d)) for d in differences) / 8
    assert row["nll_loss"] == pytest.approx(nll, abs=1e-4)
    assert row["log_odds_chosen"] == pytest.approx(sum(differences) / 8, abs=1e-4)
    assert row["loss"] == pytest.approx(nll + 0.5 * ratio, abs=1e-4)
    assert row["rewards/chosen"] == pytest.approx(-0.5 * nll, abs=1e-4)


def test_the_odds_ratio_keeps_the_rejected_answer_down(tmp_path: Path) -> None:
    """Likelihood alone lifts the rejected answers with the chosen ones."""
    pairs = planted(32, seed=3)
    _, alone, _ = run(tmp_path / "a", recipe_of("orpo", lam=0.0, epochs=6), pairs)
    _, both, _ = run(tmp_path / "b", recipe_of("orpo", lam=2.0, epochs=6), pairs)
    assert alone[-1]["logps/chosen"] > alone[0]["logps/chosen"]
    assert both[-1]["log_odds_chosen"] > alone[-1]["log_odds_chosen"] + 0.5
    assert both[-1]["logps/rejected"] < alone[-1]["logps/rejected"]
