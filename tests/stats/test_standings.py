"""A table of runs."""

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.stats import davidson
from preftune.stats.standings import standings


def test_the_table() -> None:
    rng = np.random.default_rng(0)
    names = np.array(["sft", "step 100", "step 200", "step 210"])
    theta = np.array([-1.0, 0.0, 0.9, 0.95])
    one = rng.integers(0, 4, 1200)
    two = (one + rng.integers(1, 4, 1200)) % 4
    p = 1 / (1 + np.exp(theta[two] - theta[one]))
    y = np.where(rng.random(1200) < 0.2, 0.5, rng.random(1200) < p)
    prompts = np.arange(1200) // 4
    found = standings(names[one].tolist(), names[two].tolist(), y, prompts, rng=rng)
    assert [row.name for row in found.rows][2:] == ["step 100", "sft"]
    assert found.rows[0].rank == (1, 2) and found.rows[1].rank == (1, 2)
    assert found.rows[2].rank == (3, 3) and found.rows[3].rank == (4, 4)
    fit = davidson(one, two, y, clusters=prompts)
    by_name = {row.name: row for row in found.rows}
    assert by_name["sft"].rating == pytest.approx(fit.elo()[0])
    assert found.tie == pytest.approx(fit.tie) and found.warning == ""
    own = np.concatenate([y[one == 0], 1 - y[two == 0]])
    sft = by_name["sft"]
    assert (sft.wins, sft.ties, sft.losses) == tuple(int((own == v).sum()) for v in (1, 0.5, 0))
    assert sum(row.wins for row in found.rows) == sum(row.losses for row in found.rows)
    assert sft.elo.value < by_name["step 100"].elo.value


def test_islands_are_said() -> None:
    found = standings(
        ["a", "b", "c", "d"], ["b", "a", "d", "c"], [1, 1, 1, 1], rng=np.random.default_rng(0)
    )
    assert "2 groups" in found.warning


def test_mistakes_are_named() -> None:
    with pytest.raises(BadInput, match="first, a second and an outcome"):
        standings(["a"], ["b", "c"], [1], rng=np.random.default_rng(0))
