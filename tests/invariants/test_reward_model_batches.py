"""Batches of whole prompts: the same gradient as pair by pair, each answer encoded once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from preftune.algorithms import reward_model as story
from preftune.algorithms.reward_batches import Pair, batch_elements, distinct_rows
from preftune.algorithms.reward_comparisons import Comparisons
from preftune.algorithms.reward_model import RewardInputs, reward_model, validate
from preftune.models import Row
from preftune.recipe import RewardModel
from preftune.training import weights_of
from tests.algorithms.made import EOS, PAD, reward_recipe
from tests.models.made import make_reward_model
from tests.training.made import quiet_journal


def ranked(prompts: int, answers: int = 4) -> list[Pair]:
    """All comparisons of a few answers to each prompt, of different lengths and target shares."""
    pairs = []
    for prompt in range(prompts):
        rows = [
            Row((20 + prompt, 30), (*range(100 + 7 * k, 101 + 9 * k), EOS)) for k in range(answers)
        ]
        pairs += [
            Pair(rows[i], rows[j], probability=0.5 + 0.1 * (i - j), prompt=f"p{prompt}")
            for i in range(answers)
            for j in range(i)
        ]
    return pairs


def trained(folder: Path, recipe: RewardModel, pairs: list[Pair]) -> dict[str, torch.Tensor]:
    inputs = RewardInputs(make_reward_model(), PAD, pairs, [], [], seed=2)
    with quiet_journal(folder, recipe.checkpoint_every) as journal:
        reward_model(recipe, inputs, journal)
    return weights_of(inputs.model)


def test_elements_are_pairs_or_prompts_with_all_of_theirs() -> None:
    pairs = ranked(3)
    mixed = pairs[::2] + pairs[1::2]
    assert batch_elements(mixed, "pairs") == [[pair] for pair in mixed]
    elements = batch_elements(mixed, "prompts")
    assert [len(element) for element in elements] == [6, 6, 6]
    assert [{pair.prompt for pair in element} for element in elements] == [{"p0"}, {"p1"}, {"p2"}]


@pytest.mark.parametrize("tokens", [64, 8192])
def test_one_step_over_everything_is_the_same_either_way(tmp_path: Path, tokens: int) -> None:
    pairs = ranked(3)
    by_pair = trained(tmp_path / "pairs", reward_recipe(batch_size=18), pairs)
    recipe = reward_recipe(batching="prompts", batch_size=3, micro_batch_tokens=tokens)
    by_prompt = trained(tmp_path / "prompts", recipe, pairs)
    start = weights_of(make_reward_model())
    for name, weight in by_pair.items():
        torch.testing.assert_close(by_prompt[name], weight, atol=2e-5, rtol=0)
    assert not torch.equal(by_pair["score.weight"], start["score.weight"])


def test_each_answer_goes_through_the_network_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = story.scores_of_rows

    def counted(model: Any, rows: Sequence[Row], *rest: Any) -> torch.Tensor:
        seen.append(len(rows))
        return real(model, rows, *rest)

    monkeypatch.setattr(story, "scores_of_rows", counted)
    pairs = ranked(3)
    trained(tmp_path, reward_recipe(batching="prompts", batch_size=3), pairs)
    assert sum(seen) == 3 * 4
    assert len(distinct_rows(pairs)) == 3 * 4


def test_an_epoch_meets_every_prompt_once(tmp_path: Path) -> None:
    pairs = ranked(5)
    inputs = RewardInputs(make_reward_model(), PAD, pairs, [], [], seed=2)
    recipe = reward_recipe(batching="prompts", batch_size=2, epochs=2)
    with quiet_journal(tmp_path, recipe.checkpoint_every) as journal:
        result = reward_model(recipe, inputs, journal)
    assert result.steps == 2 * 3


def test_validation_is_what_the_pairs_say_one_by_one() -> None:
    pairs = ranked(2)
    inputs = RewardInputs(make_reward_model(), PAD, [], pairs, [], seed=2)
    objective, recipe = Comparisons(), reward_recipe(micro_batch_tokens=64)
    whole = validate(inputs, objective, pairs, recipe)
    single = [validate(inputs, objective, [pair], recipe) for pair in pairs]
    for name, value in whole.items():
        assert value == pytest.approx(sum(part[name] for part in single) / len(pairs), abs=1e-5)
