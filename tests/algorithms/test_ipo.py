"""IPO's story: it begins at 1/(4τ²) and holds the margin at 1/(2τ), in either convention."""

from pathlib import Path

import pytest

from tests.algorithms.preferences import planted, recipe_of, run


@pytest.mark.parametrize("logprobs", ["sum", "mean"])
def test_the_margin_stops_at_its_target(logprobs: str, tmp_path: Path) -> None:
    """τ = .25: the loss begins at 1/(4 · .0625) = 4 and h ends at 2, so τh at .5."""
    pair = planted(1, seed=4)[0]
    recipe = recipe_of("ipo", tau=0.25, epochs=120, logprobs=logprobs)
    _, rows, _ = run(tmp_path, recipe, [pair] * 8)
    assert rows[0]["loss"] == pytest.approx(4, abs=1e-3)
    assert rows[-1]["rewards/margins"] == pytest.approx(0.5, abs=0.02)
    assert rows[-1]["loss"] < 0.01


def test_the_two_conventions_are_not_the_same(tmp_path: Path) -> None:
    """After the first step a mean has moved less than a sum, by the number of tokens."""
    pairs = planted(8, seed=4)
    gap = {}
    for logprobs in ("sum", "mean"):
        recipe = recipe_of("ipo", tau=0.25, epochs=2, logprobs=logprobs)
        _, rows, _ = run(tmp_path / logprobs, recipe, pairs)
        gap[logprobs] = rows[1]["rewards/margins"]
    assert gap["sum"] > 2 * gap["mean"] > 0
