"""ILQL's story: the values it learns are value iteration's, the decoded policy is better."""

from pathlib import Path
from typing import Any

import pytest
import torch

from preftune.algorithms.ilql import Episode, ILQLInputs, ILQLResult, ilql, taken
from preftune.models import Row, build_value_heads, collate, read_states
from preftune.monitoring import read_metrics
from preftune.recipe import ILQL
from preftune.records import Prompt, Sampling
from preftune.rollouts import NativeEngine
from preftune.training import Training, weights_of
from tests.algorithms.made import PAD, same_weights
from tests.models.made import CPU, make_policy, make_rows, renderer_of
from tests.training.made import quiet_journal

A, B, PROMPT = 20, 21, Prompt("Where is my lamp?")
RETURNS = {(A, A): 0.0, (A, B): 2.0, (B, A): 1.0, (B, B): 0.0}


def recipe_of(**settings: Any) -> ILQL:
    given = {
        "model": "m",
        "train": "t",
        "batch_size": 8,
        "optimizer": {"learning_rate": 1e-3},
        "value_optimizer": {"learning_rate": 3e-3},
    }
    return ILQL.model_validate(given | settings)


def make_inputs(train: list[Episode], seed: int = 1) -> ILQLInputs:
    policy = make_policy()
    return ILQLInputs(policy, build_value_heads(policy, seed=5), PAD, train, seed)


def run(folder: Path, recipe: ILQL, inputs: ILQLInputs) -> tuple[ILQLResult, list[dict[str, Any]]]:
    with quiet_journal(folder, recipe.checkpoint_every) as journal:
        result = ilql(recipe, inputs, journal)
    return result, read_metrics(folder / "metrics.jsonl")


def test_values_and_decoding_of_a_two_token_problem(tmp_path: Path) -> None:
    """Two tokens, each A or B, all four texts equally often, γ = 1, no CQL.

    By hand, τ = .9: Q after A is (0, 2), so V = .9 · 2 = 1.8; after B (1, 0), V = .9.
    At the start Q = (V(A), V(B)) = (1.8, .9) and .9 (1.8 − V) = .1 (V − .9) gives V = 1.71.
    """
    prompt_ids = renderer_of(make_policy()).prompt_ids(PROMPT.text)
    train = [Episode(Row(prompt_ids, text), reward) for text, reward in RETURNS.items()] * 4
    inputs = make_inputs(train)
    recipe = recipe_of(
        epochs=400,
        batch_size=16,
        tau=0.9,
        gamma=1.0,
        conservative=0.0,
        target_share=0.05,
        optimizer={"learning_rate": 1e-3, "final_fraction": 0.01},
        value_optimizer={"learning_rate": 3e-3, "final_fraction": 0.01},
        checkpoint_every=10_000,
    )
    run(tmp_path, recipe, inputs)
    rows = [Row(prompt_ids, text) for text in RETURNS]
    batch = collate(rows, PAD, CPU)
    with torch.no_grad():
        _, states = read_states(inputs.policy, batch)
        q = taken(inputs.heads.slow_q_values(states), batch.response_ids_BT)
        v = inputs.heads.values(states)
    assert q.tolist() == [
        pytest.approx([1.8, 0.0], abs=0.15),
        pytest.approx([1.8, 2.0], abs=0.15),
        pytest.approx([0.9, 1.0], abs=0.15),
        pytest.approx([0.9, 0.0], abs=0.15),
    ]
    assert v[:, 0].tolist() == pytest.approx([1.71] * 4, abs=0.1)
    assert v[:, 1].tolist() == pytest.approx([1.8, 1.8, 0.9, 0.9], abs=0.1)
    assert mean_return(inputs, 0.0) == pytest.approx(0.75, abs=0.3)  # it imitates
    # β = 4: P(A) = σ(4 · .9) = .973, P(B | A) = σ(4 · 2) = 1.0, so about 1.97.
    assert mean_return(inputs, 4.0) > 1.8


def mean_return(inputs: ILQLInputs, guidance: float) -> float:
    """Of 200 texts; one with other tokens is worth nothing."""
    policy = inputs.policy
    engine = NativeEngine(policy, renderer_of(policy), "v", value_heads=inputs.heads)
    sampling = Sampling(2, value_guidance=guidance, top_k=2, seed=1)
    written = engine([PROMPT] * 200, sampling)
    return sum(RETURNS.get(c.token_ids, 0.0) for c in written) / 200  # type: ignore[call-overload]


def test_the_conservative_term_holds_down_what_nobody_wrote(tmp_path: Path) -> None:
    prompt_ids, unwritten = (9, 10), 77
    train = [Episode(Row(prompt_ids, (A,)), 1.0), Episode(Row(prompt_ids, (B,)), -1.0)] * 8

    def gap(weight: float) -> float:
        """Q of the worse token written, less that of one never written."""
        inputs = make_inputs(train)
        recipe = recipe_of(epochs=60, conservative=weight, target_share=0.2)
        run(tmp_path / str(weight), recipe, inputs)
        batch = collate([Row(prompt_ids, (B,))], PAD, CPU)
        with torch.no_grad():
            q = inputs.heads.slow_q_values(read_states(inputs.policy, batch).hidden_BTH)[0, 0]
        return float(q[B] - q[unwritten])

    assert gap(1.0) > gap(0.0) + 0.5


def test_what_is_written_down(tmp_path: Path) -> None:
    train = [Episode(row, float(n % 2)) for n, row in enumerate(make_rows(20))]
    inputs = make_inputs(train)
    result, rows = run(tmp_path, recipe_of(epochs=2), inputs)
    assert result.steps == 6 and [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[2]["epoch"] == 1.0
    assert rows[-1]["num_tokens"] == 2 * sum(len(e.row.response_ids) for e in train)
    for row in rows:
        total = row["loss/q"] + row["loss/v"] + row["loss/imitation"]
        assert row["loss"] == pytest.approx(total + 0.1 * row["loss/conservative"], abs=1e-4)
    assert (result.mean_q, result.mean_v) == (rows[-1]["value/mean_q"], rows[-1]["value/mean_v"])


def test_micro_batches_change_nothing(tmp_path: Path) -> None:
    train = [Episode(row, float(n % 3)) for n, row in enumerate(make_rows(16))]
    many, one = make_inputs(train), make_inputs(train)
    _, rows = run(tmp_path / "one", recipe_of(batch_size=16, epochs=1), one)
    _, split = run(
        tmp_path / "many", recipe_of(batch_size=16, epochs=1, micro_batch_tokens=64), many
    )
    for name, value in rows[0].items():
        assert split[0][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_the_slow_heads_follow_every_so_many_steps(tmp_path: Path) -> None:
    train = [Episode(row, float(n % 2)) for n, row in enumerate(make_rows(16))]
    still, moved = make_inputs(train), make_inputs(train)
    before = {n: w for n, w in weights_of(still.heads).items() if n.startswith("slow")}
    run(tmp_path / "a", recipe_of(epochs=1, target_every=3), still)  # 2 steps
    run(tmp_path / "b", recipe_of(epochs=1, target_every=2, target_share=1.0), moved)
    after = weights_of(still.heads)
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    done = weights_of(moved.heads)
    for name in before:
        assert torch.equal(done[name], done["q" + name.removeprefix("slow")]), name


def test_a_stopped_run_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = [Episode(row, float(n % 2)) for n, row in enumerate(make_rows(16))]
    recipe = recipe_of(epochs=3, checkpoint_every=2, target_share=0.3)
    whole = make_inputs(train)
    expected, rows = run(tmp_path / "whole", recipe, whole)
    step = Training.step

    def breaking(self: Training, *args: Any, at: int, **kwargs: Any) -> Any:
        if at == 3:
            raise KeyboardInterrupt
        return step(self, *args, at=at, **kwargs)

    monkeypatch.setattr(Training, "step", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part", recipe, make_inputs(train))
    monkeypatch.setattr(Training, "step", step)
    again = make_inputs(train)
    result, resumed = run(tmp_path / "part", recipe, again)
    assert result == expected and resumed == rows
    assert same_weights(weights_of(whole.policy), weights_of(again.policy))
    assert same_weights(weights_of(whole.heads), weights_of(again.heads))
