"""Rankings, ratings and steps, trained: each objective reaches what its loss is least at."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from preftune.algorithms.reward_batches import Pair, Ranked, Rated, Stepped
from preftune.algorithms.reward_model import Example, RewardInputs, reward_model
from preftune.models import Axes, Row, Steps, axis_scores, collate, set_axes, set_steps, step_scores
from preftune.monitoring import read_metrics
from preftune.recipe import RewardModel
from preftune.training import weights_of
from tests.algorithms.made import EOS, PAD, reward_recipe
from tests.algorithms.test_reward_model import score
from tests.models.made import CPU, make_reward_model
from tests.training.made import quiet_journal

ROWS = [Row((20,), (100 + 10 * k, 101 + 7 * k, EOS)) for k in range(4)]
LINE = 7


def trained(
    folder: Path,
    recipe: RewardModel,
    examples: Sequence[Example],
    axes: Axes | None = None,
    steps: Steps | None = None,
) -> tuple[RewardInputs, list[dict[str, Any]]]:
    model = make_reward_model()
    if axes is not None:
        set_axes(model.config, axes)
        torch.manual_seed(1)
        model.score = torch.nn.Linear(32, len(axes.names), bias=False)
    if steps is not None:
        set_steps(model.config, steps)
    inputs = RewardInputs(model, PAD, examples, examples, [], seed=2)
    with quiet_journal(folder, recipe.checkpoint_every) as journal:
        reward_model(recipe, inputs, journal)
    return inputs, read_metrics(folder / "metrics.jsonl")


def recipe_of(kind: str, epochs: int, **objective: Any) -> RewardModel:
    return reward_recipe(
        objective={"kind": kind} | objective, epochs=epochs, evaluate_every=50, patience=99
    )


@pytest.mark.parametrize("kind", ["plackett_luce", "best_of_softmax"])
def test_counts_of_winners_become_log_odds(tmp_path: Path, kind: str) -> None:
    """The first of three wins 5 of 8 rankings, the second 2, the third 1: the scores end
    ln(5/2) = .916 and ln 2 = .693 apart."""
    ranks = [(1, 2, 2)] * 5 + [(2, 1, 2)] * 2 + [(2, 2, 1)]
    examples = [Ranked(tuple(ROWS[:3]), rank) for rank in ranks]
    inputs, rows = trained(tmp_path, recipe_of(kind, 150), examples)
    found = [score(inputs, row) for row in ROWS[:3]]
    assert found[0] - found[1] == pytest.approx(math.log(5 / 2), abs=0.05)
    assert found[1] - found[2] == pytest.approx(math.log(2), abs=0.05)
    assert rows[-1]["eval_accuracy"] == pytest.approx(5 / 8)


def test_k_wise_lets_every_prompt_vote_once(tmp_path: Path) -> None:
    """Prompt one says 0 beats 1 in one pair; prompt two, by the same rows, says the opposite once
    and twice that 2 beats 3: its vote on 0 and 1 is a third, so their log-odds end at ln 3."""
    one, two, three, four = ROWS
    examples = [
        Pair(one, two, prompt="a"),
        Pair(two, one, prompt="b"),
        Pair(three, four, prompt="b"),
        Pair(three, four, prompt="b"),
    ]
    inputs, _ = trained(tmp_path, recipe_of("k_wise", 200), examples)
    assert score(inputs, one) - score(inputs, two) == pytest.approx(math.log(3), abs=0.05)


def test_ratings_come_back_in_their_own_unit_where_they_were_given(tmp_path: Path) -> None:
    axes = Axes(("help", "brief"), (1.0, 0.0), gains=(2.0, 0.5), biases=(3.0, 0.0))
    examples = [Rated(ROWS[0], (5.0, None)), Rated(ROWS[1], (1.0, 0.5)), Rated(ROWS[1], (2.0, 0.5))]
    objective = recipe_of("axes", 200, axes=["help", "brief"], score="help")
    inputs, rows = trained(tmp_path, objective, examples, axes)
    read = axis_scores(inputs.model, collate(ROWS[:2], PAD, CPU))
    # two ratings of one answer: their mean
    assert read[0, 0].item() == pytest.approx(5, abs=0.1)
    assert read[1].tolist() == pytest.approx([1.5, 0.5], abs=0.1)
    assert score(inputs, ROWS[0]) == pytest.approx(read[0, 0].item())
    # what is left: distances 0, .5, .5 and 0, 0 over five ratings
    assert rows[-1]["eval_mean_absolute_error"] == pytest.approx(0.2, abs=0.05)
    assert "accuracy" not in rows[-1]


@pytest.mark.parametrize("aggregate", ["min", "product", "last"])
def test_steps_end_at_the_log_odds_of_their_labels(tmp_path: Path, aggregate: str) -> None:
    """A step called right in three of four answers has log-odds ln 3, one in four −ln 3."""
    row = Row((20,), (100, LINE, 110, 111, EOS))
    examples = [
        Stepped(row, (1, 4), labels)
        for labels in ((1.0, 0.0), (1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (None, None))
    ]
    inputs, rows = trained(
        tmp_path, recipe_of("process", 150), examples, None, Steps((LINE,), EOS, aggregate)
    )
    read = step_scores(inputs.model, collate([row], PAD, CPU))[0, [1, 4]].tolist()
    assert read == pytest.approx([math.log(3), -math.log(3)], abs=0.1)
    assert rows[-1]["eval_accuracy"] == pytest.approx(6 / 8)
    one = math.log(0.75 * 0.25) if aggregate == "product" else -math.log(3)
    assert score(inputs, row) == pytest.approx(one, abs=0.1)


@pytest.mark.parametrize("kind", ["plackett_luce", "process", "axes"])
def test_micro_batches_change_nothing(tmp_path: Path, kind: str) -> None:
    long = Row(tuple(range(20, 50)), (100, LINE, *range(60, 75), EOS))
    short = Row((20,), (110, LINE, 111, EOS))
    axes = Axes(("a", "b"), (1.0, 0.5), (1.0, 2.0), (0.0, 1.0)) if kind == "axes" else None
    examples: dict[str, list[Example]] = {
        "plackett_luce": [Ranked((long, short), (1, 2)), Ranked((short, *ROWS), (2, 1, 3, 4, 5))],
        "process": [Stepped(long, (1, 17), (1.0, 0.0)), Stepped(short, (1, 3), (None, 1.0))],
        "axes": [Rated(long, (1.0, None)), Rated(short, (0.0, 2.0))],
    }
    more = {"axes": ["a", "b"], "score": "a"} if kind == "axes" else {}
    weights = []
    for tokens in (64, 8192):
        recipe = reward_recipe(objective={"kind": kind} | more, micro_batch_tokens=tokens, epochs=3)
        steps = Steps((LINE,), EOS, "min") if kind == "process" else None
        inputs, _ = trained(tmp_path / str(tokens), recipe, examples[kind], axes, steps)
        weights.append(weights_of(inputs.model))
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, atol=2e-5, rtol=0)
