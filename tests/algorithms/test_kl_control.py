"""The price of the KL from one iteration to the next: by hand, and inside a run."""

from pathlib import Path

import pytest

from preftune.algorithms.kl_control import adapted
from tests.algorithms.made import ppo_recipe, run_ppo


def test_a_fixed_price_stays() -> None:
    recipe = ppo_recipe(kl={"kind": "fixed", "coefficient": 0.3})
    assert adapted(recipe, 0.3, 50.0) == 0.3


@pytest.mark.parametrize(("kl", "error"), [(6.0, 0.0), (6.6, 0.1), (60.0, 0.2), (0.0, -0.2)])
def test_the_error_is_clipped(kl: float, error: float) -> None:
    """16 rollouts of a horizon of 160 move a tenth of the error; the gain all of its share."""
    horizon = ppo_recipe(kl={"kind": "adaptive_horizon", "target": 6.0, "horizon": 160})
    assert adapted(horizon, 0.2, kl) == pytest.approx(0.2 * (1 + error * 16 / 160))
    gain = ppo_recipe(kl={"kind": "adaptive_gain", "target": 6.0, "gain": 0.5})
    assert adapted(gain, 0.2, kl) == pytest.approx(0.2 * (1 + 0.5 * error))


def test_each_iteration_pays_what_the_last_one_s_kl_made_of_the_price(tmp_path: Path) -> None:
    control = {"kind": "adaptive_gain", "coefficient": 0.2, "target": 0.01, "gain": 0.5}
    rows = run_ppo(tmp_path, ppo_recipe(iterations=4, kl=control)).rows
    assert rows[0]["objective/kl_coef"] == 0.2
    for before, after in zip(rows, rows[1:], strict=False):
        error = min(max(before["objective/kl"] / 0.01 - 1, -0.2), 0.2)
        expected = before["objective/kl_coef"] * (1 + 0.5 * error)
        assert after["objective/kl_coef"] == pytest.approx(expected)
