"""The reward model: planted preferences, soft labels, normalisation, what is kept."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from preftune.algorithms import reward_model as algorithm
from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.reward_model import RewardInputs, RewardResult, hide_tokens, reward_model
from preftune.models import Row, collate, scores
from preftune.monitoring import read_metrics
from preftune.recipe import RewardModel
from preftune.training import Training, weights_of
from tests.algorithms.made import (
    EOS,
    PAD,
    own_tokens,
    reads_alone,
    reward_recipe,
    rows_that_learn,
    same_weights,
)
from tests.models.made import CPU, make_reward_model
from tests.training.made import quiet_journal

GOOD, BAD = 50, 60


def planted(count: int, seed: int) -> list[Pair]:
    """The chosen answer holds the token GOOD somewhere, the rejected one BAD."""
    rng = np.random.default_rng(seed)

    def answer(token: int) -> tuple[int, ...]:
        ids = rng.integers(100, 300, int(rng.integers(2, 7))).tolist()
        ids[int(rng.integers(len(ids)))] = token
        return (*ids, EOS)

    prompts = [
        tuple(rng.integers(100, 300, int(rng.integers(1, 6))).tolist()) for _ in range(count)
    ]
    return [Pair(Row(prompt, answer(GOOD)), Row(prompt, answer(BAD))) for prompt in prompts]


def make_inputs(
    train: list[Pair], validation: list[Pair], demonstrations: list[Row] | None = None
) -> RewardInputs:
    return RewardInputs(make_reward_model(), PAD, train, validation, demonstrations or [], seed=2)


def run(
    folder: Path, recipe: RewardModel, inputs: RewardInputs
) -> tuple[RewardResult, list[dict[str, Any]]]:
    with quiet_journal(folder, recipe.checkpoint_every) as journal:
        result = reward_model(recipe, inputs, journal)
    return result, read_metrics(folder / "metrics.jsonl")


@torch.no_grad()
def score(inputs: RewardInputs, row: Row) -> float:
    return scores(inputs.model, collate([row], PAD, CPU)).item()


def accuracy(inputs: RewardInputs, pairs: list[Pair]) -> float:
    """One row at a time, without padding."""
    return float(np.mean([score(inputs, p.chosen) > score(inputs, p.rejected) for p in pairs]))


def test_a_planted_preference_is_learned(tmp_path: Path) -> None:
    held_out = planted(100, seed=9)
    inputs = make_inputs(planted(320, seed=1), planted(60, seed=5))
    recipe = reward_recipe(epochs=3, evaluate_every=10, patience=9)
    result, rows = run(tmp_path, recipe, inputs)
    assert accuracy(inputs, held_out) > 0.95
    assert result.best_eval_accuracy == pytest.approx(accuracy(inputs, list(inputs.validation)))
    assert rows[0]["accuracy"] < 0.9 and rows[-1]["margin"] > 2


def test_the_first_row_is_what_the_fresh_model_says(tmp_path: Path) -> None:
    pairs = planted(12, seed=3)
    inputs = make_inputs(pairs, [])
    chosen = np.array([score(inputs, pair.chosen) for pair in pairs])
    rejected = np.array([score(inputs, pair.rejected) for pair in pairs])
    _, (row,) = run(tmp_path, reward_recipe(batch_size=12), inputs)
    difference = chosen - rejected
    both = np.concatenate([chosen, rejected])
    assert row["loss"] == pytest.approx(np.log1p(np.exp(-difference)).mean(), abs=1e-5)
    assert row["accuracy"] == pytest.approx((difference > 0).mean())
    assert row["margin"] == pytest.approx(difference.mean(), abs=1e-5)
    assert row["mean_reward"] == pytest.approx(both.mean(), abs=1e-5)
    assert row["max_reward"] == pytest.approx(both.max(), abs=1e-5)
    assert row["min_reward"] == pytest.approx(both.min(), abs=1e-5)


def test_scores_of_demonstrations_have_mean_zero_and_deviation_one(tmp_path: Path) -> None:
    demonstrations = [pair.chosen for pair in planted(40, seed=6)]
    inputs = make_inputs(planted(64, seed=1), [], demonstrations)
    untouched = make_inputs(planted(64, seed=1), [])
    recipe = reward_recipe()
    run(tmp_path / "a", recipe, inputs)
    run(tmp_path / "b", recipe, untouched)
    normal = np.array([score(inputs, row) for row in demonstrations])
    raw = np.array([score(untouched, row) for row in demonstrations])
    assert normal.mean() == pytest.approx(0, abs=1e-5)
    assert normal.std(ddof=0) == pytest.approx(1, abs=1e-4)
    assert (np.argsort(normal) == np.argsort(raw)).all(), "the order stays"
    assert inputs.model.config.score_gain == pytest.approx(1 / raw.std(), rel=1e-4)
    again, _ = run(tmp_path / "c", recipe.model_copy(update={"epochs": 1}), inputs)
    normal = np.array([score(inputs, row) for row in demonstrations])
    assert abs(normal.mean()) < 1e-5 and again.steps == 4, "normalised anew, not twice over"


def test_soft_labels_are_matched_in_log_odds(tmp_path: Path) -> None:
    """One pair that .7 of the voters prefer: its margin goes to ln(.7/.3) = .847."""
    pair = replace(planted(1, seed=4)[0], probability=0.7)
    inputs = make_inputs([pair] * 8, [])
    run(tmp_path, reward_recipe(epochs=150, batch_size=8), inputs)
    margin = score(inputs, pair.chosen) - score(inputs, pair.rejected)
    assert margin == pytest.approx(math.log(0.7 / 0.3), abs=0.02)


def test_weights_decide_between_contradicting_labels(tmp_path: Path) -> None:
    """Three votes against one at the same pair: the margin is ln 3."""
    pair = planted(1, seed=4)[0]
    turned = Pair(pair.rejected, pair.chosen, weight=1.0)
    inputs = make_inputs([replace(pair, weight=3.0), turned], [])
    run(tmp_path, reward_recipe(epochs=200, batch_size=2), inputs)
    margin = score(inputs, pair.chosen) - score(inputs, pair.rejected)
    assert margin == pytest.approx(math.log(3), abs=0.03)


def test_a_margin_is_asked_for_on_top(tmp_path: Path) -> None:
    pair = planted(1, seed=4)[0]
    soft = replace(pair, probability=0.7, margin=1.5)
    inputs = make_inputs([soft] * 4, [])
    run(tmp_path, reward_recipe(epochs=250, batch_size=4), inputs)
    found = score(inputs, pair.chosen) - score(inputs, pair.rejected)
    assert found == pytest.approx(1.5 + math.log(0.7 / 0.3), abs=0.05)


def test_centring_pulls_the_sum_to_zero(tmp_path: Path) -> None:
    def sum_after(center: float, folder: Path) -> float:
        inputs = make_inputs(planted(32, seed=1), [])
        torch.nn.init.constant_(inputs.model.score.weight, 0.2)
        run(folder, reward_recipe(epochs=10, center=center), inputs)
        return abs(sum(score(inputs, p.chosen) + score(inputs, p.rejected) for p in inputs.train))

    assert sum_after(0.1, tmp_path / "a") < 0.5 * sum_after(0.0, tmp_path / "b")


def test_the_best_validation_is_kept_and_ends_the_wait(tmp_path: Path) -> None:
    noisy = planted(48, seed=1)
    flipped = [Pair(p.rejected, p.chosen) if i % 2 else p for i, p in enumerate(noisy)]
    inputs = make_inputs(flipped, planted(24, seed=8))
    recipe = reward_recipe(epochs=40, evaluate_every=2, patience=3)
    result, rows = run(tmp_path, recipe, inputs)
    seen = {r["step"]: (r["eval_accuracy"], -r["eval_loss"]) for r in rows if "eval_loss" in r}
    best = max(seen, key=lambda step: seen[step][0] + 1e-3 * seen[step][1])
    assert result.kept_step == best
    assert result.steps == best + 3 * 2 < 120
    assert accuracy(inputs, list(inputs.validation)) == pytest.approx(seen[best][0])


def test_dropout_is_on_while_learning_only(tmp_path: Path) -> None:
    pairs = planted(16, seed=1)
    losses = []
    for dropout in (0.0, 0.5):
        inputs = make_inputs(pairs, pairs)
        _, rows = run(tmp_path / str(dropout), reward_recipe(dropout=dropout), inputs)
        losses.append(rows[0]["loss"])
        assert score(inputs, pairs[0].chosen) == score(inputs, pairs[0].chosen)
        assert not inputs.model.training
    assert abs(losses[0] - losses[1]) > 1e-4


def test_hidden_tokens_are_a_share_of_the_response_but_never_its_end() -> None:
    """Of 10,000 tokens .3 are hidden, give or take .0046 (one standard deviation)."""
    row = Row((5, 6), (*[7] * 10_000, 8))
    torch.manual_seed(3)
    hidden = hide_tokens(row, 0.3, PAD)
    assert hidden.prompt_ids == (5, 6) and hidden.response_ids[-1] == 8
    assert len(hidden) == len(row) and set(hidden.response_ids) == {7, 8, PAD}
    assert hidden.response_ids.count(PAD) / 10_000 == pytest.approx(0.3, abs=0.02)
    assert hide_tokens(row, 0.3, PAD) != hidden, "other ones the next time"
    assert hide_tokens(row, 0.0, PAD) is row


def test_tokens_are_hidden_while_learning_only(tmp_path: Path) -> None:
    """With nine of ten tokens hidden the planted one is seldom seen: the first loss differs, and
    the validation loss before anything was learned does not."""
    pairs = planted(16, seed=1)
    losses = []
    for share in (0.0, 0.9):
        inputs = make_inputs(pairs, pairs)
        recipe = reward_recipe(
            token_dropout=share, evaluate_every=1, optimizer={"learning_rate": 1e-12}
        )
        _, rows = run(tmp_path / str(share), recipe, inputs)
        losses.append((rows[0]["loss"], rows[0]["eval_loss"]))
    assert losses[0][1] == pytest.approx(losses[1][1], abs=1e-6)
    assert abs(losses[0][0] - losses[1][0]) > 1e-4
    assert losses[0][0] == pytest.approx(losses[0][1], abs=1e-5)


def test_hidden_tokens_and_labelled_steps_are_refused_together() -> None:
    with pytest.raises(ValueError, match="where steps end"):
        reward_recipe(objective={"kind": "process"}, token_dropout=0.1)
    assert reward_recipe(token_dropout=0.1).token_dropout == 0.1


def test_a_stopped_run_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = reward_recipe(
        epochs=2, evaluate_every=2, checkpoint_every=3, dropout=0.1, token_dropout=0.3
    )
    train, validation = planted(80, seed=1), planted(16, seed=5)
    demonstrations = [pair.chosen for pair in validation]
    whole = make_inputs(train, validation, demonstrations)
    expected, rows = run(tmp_path / "whole", recipe, whole)

    step = Training.step

    def breaking(self: Training, *args: Any, at: int, **kwargs: Any) -> Any:
        if at == 7:
            raise KeyboardInterrupt
        return step(self, *args, at=at, **kwargs)

    monkeypatch.setattr(Training, "step", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part", recipe, make_inputs(train, validation, demonstrations))
    monkeypatch.setattr(Training, "step", step)
    again = make_inputs(train, validation, demonstrations)
    result, resumed = run(tmp_path / "part", recipe, again)
    assert result == expected and resumed == rows
    assert same_weights(weights_of(whole.model), weights_of(again.model))
    assert whole.model.config.score_gain == again.model.config.score_gain


@pytest.mark.parametrize("shares", [True, False])
def test_micro_batches_hold_what_is_read_at_once(
    shares: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs of 25 tokens with the prompt once, of 45 for a model that reads every row alone."""
    pairs = [Pair(Row((5 + n,) * 20, (7, 8, EOS)), Row((5 + n,) * 20, (7, EOS))) for n in range(8)]
    inputs = make_inputs(pairs, [])
    if not shares:
        reads_alone(inputs.model)
    learned = rows_that_learn(monkeypatch, algorithm, "scores_of_rows")
    run(tmp_path, reward_recipe(batch_size=8, micro_batch_tokens=90), inputs)
    assert sorted(own_tokens(rows) for rows in learned) == ([90, 135, 135] if shares else [90] * 4)
