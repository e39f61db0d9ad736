"""SPIN's story: rounds, the frozen opponent, resuming inside a round, what is refused."""

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from preftune.algorithms.spin import SPINInputs, SPINResult, spin
from preftune.models import Row
from preftune.monitoring import read_metrics
from preftune.recipe import SPIN
from preftune.records import Completion, Sampling
from preftune.rollouts import NativeEngine
from preftune.training import Training, weights_of
from tests.algorithms.made import same_weights
from tests.algorithms.preferences import logprob
from tests.models.made import make_policy, make_prompts, renderer_of
from tests.training.made import quiet_journal


def recipe_of(**settings: Any) -> SPIN:
    optimizer = {"learning_rate": 3e-3, "warmup_steps": 0, "schedule": "constant"}
    given = {"model": "m", "train": "t", "batch_size": 8, "rounds": 2, "optimizer": optimizer}
    return SPIN.model_validate(given | settings)


class Play:
    """A policy, sixteen prompts with demonstrations, and everything the opponent answered."""

    def __init__(self) -> None:
        self.policy = make_policy()
        self.engine = NativeEngine(self.policy, renderer_of(self.policy), "v")
        self.answers: list[list[Completion]] = []
        self.opponents: list[Any] = []
        prompts = make_prompts(16)
        renderer = renderer_of(self.policy)
        rows = [renderer.row(p, f" It arrives on day {i % 3}.") for i, p in enumerate(prompts)]
        sampling = Sampling(8, temperature=1.0, seed=0)
        self.inputs = SPINInputs(self.policy, prompts, rows, sampling, self._publish, seed=4)

    def _publish(self, version: str) -> None:
        self.engine.version = version

    def generate(self, *args: Any) -> list[Completion]:
        self.opponents.append(weights_of(self.policy))
        self.answers.append(self.engine(*args))
        return self.answers[-1]

    def run(self, folder: Path, recipe: SPIN) -> tuple[SPINResult, list[dict[str, Any]]]:
        with quiet_journal(folder, recipe.checkpoint_every) as journal:
            result = spin(recipe, self.inputs, self.generate, journal)
        return result, read_metrics(folder / "metrics.jsonl")


def test_every_round_begins_in_agreement_with_its_opponent(tmp_path: Path) -> None:
    play = Play()
    result, rows = play.run(tmp_path, recipe_of(rounds=3))
    assert result.steps == 6 and [row["round"] for row in rows] == [1, 1, 2, 2, 3, 3]
    for row in rows[::2]:
        assert row["loss"] == pytest.approx(math.log(2), abs=1e-5)
        assert row["rewards/margins"] == pytest.approx(0, abs=1e-4)
    assert all(row["loss"] < 0.69 for row in rows[1::2])
    assert len(play.answers) == 3, "regenerated each round"
    assert {a.policy_version for a in play.answers[1]} == {"round-2"}
    tokens = sum(len(a.token_ids) for answers in play.answers for a in answers)
    assert result.generated_tokens == tokens
    assert same_weights(play.opponents[0], weights_of(make_policy()))
    assert not same_weights(play.opponents[1], play.opponents[0])


def test_demonstrations_rise_and_the_opponent_s_answers_fall(tmp_path: Path) -> None:
    play = Play()
    _, rows = play.run(tmp_path, recipe_of(rounds=1, epochs=4))

    def gain(row: Row) -> float:
        return logprob(row, play.policy) - logprob(row)

    shown = [gain(row) for row in play.inputs.demonstrations]
    theirs = [gain(Row(a.prompt_token_ids, a.token_ids)) for a in play.answers[0]]
    assert sum(shown) > 10 and sum(theirs) < sum(shown)
    assert rows[-1]["rewards/accuracies"] > 0.9


def test_the_first_row_scores_what_was_really_sampled(tmp_path: Path) -> None:
    play = Play()
    _, rows = play.run(tmp_path, recipe_of(rounds=1, batch_size=16))
    expected = [logprob(Row(a.prompt_token_ids, a.token_ids)) for a in play.answers[0]]
    assert rows[0]["logps/rejected"] == pytest.approx(sum(expected) / 16, abs=1e-3)
    sampled = sum(sum(answer.logprobs) for answer in play.answers[0]) / 16
    assert rows[0]["logps/rejected"] == pytest.approx(sampled, abs=1e-3)


def test_stopped_inside_a_round_it_finds_the_opponent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(rounds=2, epochs=2, checkpoint_every=1)
    whole = Play()
    expected, rows = whole.run(tmp_path / "whole", recipe)
    step = Training.step

    def breaking(self: Training, *args: Any, at: int, **kwargs: Any) -> Any:
        if at == 6:
            raise KeyboardInterrupt
        return step(self, *args, at=at, **kwargs)

    monkeypatch.setattr(Training, "step", breaking)
    with pytest.raises(KeyboardInterrupt):
        Play().run(tmp_path / "part", recipe)
    monkeypatch.setattr(Training, "step", step)
    again = Play()
    result, resumed = again.run(tmp_path / "part", recipe)
    assert result == expected and resumed == rows
    assert same_weights(weights_of(again.policy), weights_of(whole.policy))
    assert same_weights(again.opponents[0], whole.opponents[1])


def test_a_greedy_opponent_is_refused() -> None:
    with pytest.raises(ValidationError, match="set it above 0"):
        recipe_of(sampling={"temperature": 0})
