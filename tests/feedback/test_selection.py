"""Which items to ask about: values by hand, probabilities by counting."""

import numpy as np
import pytest

from preftune.feedback.selection import choose, diversified, informativeness
from preftune.records import BadInput
from tests.feedback.made import pair


def sigmoid(x: float) -> float:
    return 1 / (1 + float(np.exp(-x)))


def test_values_by_hand() -> None:
    scores = [[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]  # two members, two pairs
    p = sigmoid(1.0)
    assert informativeness(scores, "disagreement") == pytest.approx(
        [(p - 0.5) ** 2, 0.0], abs=1e-12
    )
    assert informativeness(scores, "uncertainty") == pytest.approx([0.25, 0.25], abs=1e-12)
    assert informativeness(scores[:1], "uncertainty")[0] == pytest.approx(p * (1 - p), abs=1e-12)
    assert informativeness(scores, "random").tolist() == [0.0, 0.0]
    with pytest.raises(BadInput):
        informativeness([[1.0, 2.0]], "uncertainty")


def test_alike_items_are_discounted_in_their_order() -> None:
    spread = diversified([0.8, 0.9, 0.5, 1.0], ["x", "x", "y", "x"], discount=0.5)
    assert spread.tolist() == [0.8 * 0.25, 0.9 * 0.5, 0.5, 1.0]


def test_every_choice_carries_the_share_of_draws_it_wins() -> None:
    """Monte Carlo over 4,000 draws, four standard errors."""
    pool = [pair(f"i{n}") for n in range(10)]
    values = np.arange(10.0)
    told: dict[str, float] = {}
    wins = dict.fromkeys((item.id for item in pool), 0)
    for seed in range(4_000):
        rng = np.random.default_rng(seed)
        for item in choose(pool, values, 4, random_share=0.5, rng=rng):
            wins[item.id] += 1
            told[item.id] = item.selection_probability
            assert item.columns["chosen_by"] in ("random", "value")
    for name, probability in told.items():
        error = 4 * (probability * (1 - probability) / 4_000) ** 0.5 + 1e-9
        assert abs(wins[name] / 4_000 - probability) < error, name
    assert sum(told.values()) == pytest.approx(4.0, abs=1e-9)
