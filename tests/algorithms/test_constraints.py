"""A part of the reward kept below a limit: by hand, and at the optimum of a known bandit."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from preftune.algorithms.constraints import (
    first_multipliers,
    followed,
    multiplier_metrics,
    priced,
)
from preftune.records import Axes, Completion
from tests.algorithms.made import make_run
from tests.algorithms.made_critic_free import recipe_of, run_story

RULE = {"kind": "length", "most": 3}
HARM = {"rule": RULE, "constraint": {"most": 0.25, "rate": 2.0, "start": 1.0, "largest": 1.5}}


def test_by_hand() -> None:
    """3 − 1 · .5 = 2.5, and nothing off where the part does not apply. Its mean is .5, .25 over
    the limit: 1 + 2 · .25 = 1.5; from .75 over it would be 2.5, and 1.5 is the most."""
    recipe = recipe_of("rloo", samples=2, rewards={"harm": HARM})
    assert recipe.rewards["harm"].weight == 0.0
    start = first_multipliers(recipe, {})
    assert start == {"harm": 1.0} and first_multipliers(recipe, {"harm": 0.3}) == {"harm": 0.3}
    axes: list[Axes] = [{"score": 3.0, "harm": 0.5}, {"score": 2.0}]
    assert priced(torch.tensor([3.0, 2.0]), axes, start).tolist() == [2.5, 2.0]
    assert followed(recipe, start, axes) == {"harm": 1.5}
    assert followed(recipe, start, [{"score": 0.0, "harm": 1.0}]) == {"harm": 1.5}
    assert followed(recipe, start, [{"score": 0.0}]) == start
    assert multiplier_metrics(start) == {"constraints/harm/multiplier": 1.0}


class Bandit:
    """One token is helpful and harmful, the other nothing."""

    origin = "rule"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [self._axes(completion.token_ids[0]) for completion in completions]

    def _axes(self, token: int) -> Axes:
        bad = float(token >= 150)
        return {"score": bad, "reward_model": bad, "harm": bad}


@pytest.mark.parametrize(("limit", "iterations"), [(0.3, 40), (0.95, 8)])
def test_the_policy_ends_at_the_constrained_optimum(
    tmp_path: Path, limit: float, iterations: int
) -> None:
    """Half of the tokens are helpful and harmful. With KL weight β = 1 and a reference that draws
    them with probability p, P = σ(logit p + 1 − λ) = c at λ* = 1 − (logit c − logit p); a limit
    that does not bind has no price."""
    recipe = recipe_of(
        "rloo",
        samples=4,
        rollouts=128,
        iterations=iterations,
        epochs=1,
        minibatches=1,
        missing_eos={"kind": "keep"},
        kl={"coefficient": 1.0},
        sampling={"max_new_tokens": 1, "temperature": 1.0},
        optimizer={"learning_rate": 3e-2, "schedule": "constant"},
        rewards={"harm": {"rule": RULE, "constraint": {"most": limit, "rate": 0.5, "start": 1.5}}},
    )
    run = run_story(tmp_path, recipe, make_run(recipe), score=Bandit())
    half = run.rows[iterations // 2 :]
    harm = sum(row["rewards/harm/mean"] for row in half) / len(half)
    price = sum(row["constraints/harm/multiplier"] for row in half) / len(half)
    free = run.rows[0]["rewards/harm/mean"]
    if limit == 0.95:
        assert harm < limit and price < 0.5 and run.rows[-1]["constraints/harm/multiplier"] < 0.2
        return
    assert harm == pytest.approx(limit, abs=0.06)
    assert price == pytest.approx(1 - (_logit(limit) - _logit(free)), abs=0.3)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_a_stopped_run_goes_on_with_the_same_price(tmp_path: Path) -> None:
    given = {"samples": 2, "rewards": {"harm": HARM}, "checkpoint_every": 1}
    whole = run_story(tmp_path / "a", recipe_of("rloo", iterations=3, **given), score=Bandit())
    run_story(tmp_path / "b", recipe_of("rloo", iterations=2, **given), score=Bandit())
    again = run_story(tmp_path / "b", recipe_of("rloo", iterations=3, **given), score=Bandit())
    name = "constraints/harm/multiplier"
    assert [row[name] for row in again.rows] == [row[name] for row in whole.rows]
    assert whole.rows[2][name] != whole.rows[0][name]
