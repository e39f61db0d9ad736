"""What offline methods share: sequences, the reference once, batches, the loop."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from preftune.algorithms import offline
from preftune.algorithms.offline import (
    Pairs,
    all_logprobs,
    grouped,
    read_pairs,
    sequence_logprobs,
)
from preftune.algorithms.reward_batches import Pair
from preftune.models import Row
from preftune.training import Training
from tests.algorithms.made import reads_alone, same_weights
from tests.algorithms.preferences import KINDS, logprob, planted, recipe_of, run
from tests.models.made import make_policy, make_rows


def test_a_sequence_s_logprob_does_not_depend_on_its_company() -> None:
    policy, rows = make_policy(), make_rows(7)
    together = sequence_logprobs(policy, [*rows, rows[2]])
    expected = [logprob(row) for row in [*rows, rows[2]]]
    assert together.tolist() == pytest.approx(expected, abs=1e-4)
    assert all_logprobs(policy, rows, 64).tolist() == pytest.approx(expected[:7], abs=1e-4)


def watched() -> tuple[PreTrainedModel, list[tuple[int, ...]]]:
    """A policy, and the shapes of what its body reads."""
    policy, seen = make_policy(), []
    sequence_logprobs(policy, make_rows(1))  # what is tried once is over before anybody looks
    policy.model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    return policy, seen


def test_equal_rows_go_through_the_network_once() -> None:
    policy, seen = watched()
    sequence_logprobs(policy, make_rows(3) * 5)
    assert seen == [(1, sum(len(row) for row in make_rows(3)))]


def test_both_sides_of_a_pair_read_their_prompt_once() -> None:
    """Prompts of 20 tokens with answers of 3 and 2: 25 tokens, where apart they are 23 and 22."""
    policy, seen = watched()
    pairs = [Pair(Row((5 + n,) * 20, (7, 8, 9)), Row((5 + n,) * 20, (7, 9))) for n in range(4)]
    part = Pairs(pairs)
    assert part.tokens(0, share=True) == 25
    found = read_pairs(policy, part, [0, 1, 2, 3])
    assert seen == [(1, 4 * 25)]
    assert found.chosen_B.tolist() == pytest.approx([logprob(p.chosen) for p in pairs], abs=1e-4)
    assert found.rejected_B.tolist() == pytest.approx(
        [logprob(p.rejected) for p in pairs], abs=1e-4
    )


@pytest.mark.parametrize("shares", [True, False])
def test_micro_batches_hold_what_is_read_at_once(shares: bool) -> None:
    """Pairs of 25 tokens with the prompt once, of 45 for a policy that reads every row alone."""
    policy = make_policy() if shares else reads_alone(make_policy())
    pairs = [Pair(Row((5 + n,) * 20, (7, 8, 9)), Row((5 + n,) * 20, (7, 9))) for n in range(8)]
    groups = grouped(policy, Pairs(pairs), range(8), 90)
    assert [len(group) for group in groups] == ([3, 3, 2] if shares else [2, 2, 2, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_the_split_into_micro_batches_changes_nothing(kind: str, tmp_path: Path) -> None:
    pairs = planted(12, seed=1)
    # A large epsilon: Adam would blow the rounding of a hardly used weight's gradient up.
    steady = {"learning_rate": 3e-3, "warmup_steps": 0, "epsilon": 1e-3}
    recipe = recipe_of(kind, batch_size=24, optimizer=steady)
    whole = run(tmp_path / "whole", recipe, pairs)
    small = recipe_of(kind, batch_size=24, optimizer=steady, micro_batch_tokens=64)
    parts = run(tmp_path / "parts", small, pairs)
    for name, weight in whole[2].items():
        torch.testing.assert_close(parts[2][name], weight, atol=2e-5, rtol=0)
    for name, value in whole[1][0].items():
        # Which side is ahead is a matter of rounding while policy and reference are the same.
        if name != "rewards/accuracies":
            assert parts[1][0][name] == pytest.approx(value, abs=1e-3), name
    assert not same_weights(whole[2], dict(make_policy().named_parameters()))


@pytest.mark.parametrize("kind", KINDS)
def test_the_planted_rule_is_learned(kind: str, tmp_path: Path) -> None:
    held_out = planted(40, seed=5)
    more = {"lam": 1.0} if kind == "orpo" else {}
    recipe = recipe_of(kind, batch_size=16, epochs=3, evaluate_every=5, patience=9, **more)
    result, rows, _ = run(tmp_path, recipe, planted(96, seed=1), held_out)
    assert result.first_eval_loss is not None and result.best_eval_loss is not None
    assert result.best_eval_loss < 0.97 * result.first_eval_loss
    assert rows[-1]["eval_rewards/margins"] > 0
    if kind != "kto":
        assert rows[-1]["eval_rewards/accuracies"] > 0.7


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_dropout_is_off(kind: str, tmp_path: Path) -> None:
    _, rows, weights = run(tmp_path / "a", recipe_of(kind), planted(16, seed=1), dropout=0.3)
    _, plain_rows, plain = run(tmp_path / "b", recipe_of(kind), planted(16, seed=1))
    assert same_weights(weights, plain) and rows == plain_rows


def test_what_is_kept_is_the_validation_s_minimum(tmp_path: Path) -> None:
    turned = [type(pair)(pair.rejected, pair.chosen) for pair in planted(24, seed=1)]
    recipe = recipe_of("dpo", epochs=9, evaluate_every=2, patience=3)
    result, rows, _ = run(tmp_path, recipe, planted(24, seed=1), turned)
    seen = {row["step"]: row["eval_loss"] for row in rows if "eval_loss" in row}
    assert result.kept_step == min(seen, key=lambda step: seen[step]) == 2
    assert result.steps == max(seen) == 8, "three validations without a better one"


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_a_stopped_run_continues_and_asks_the_reference_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, held_out = planted(24, seed=1), planted(8, seed=2)
    recipe = recipe_of(kind, epochs=2, evaluate_every=2, patience=9, checkpoint_every=2)
    expected, rows, weights = run(tmp_path / "whole", recipe, train, held_out)

    step = Training.step

    def breaking(self: Training, *args: Any, at: int, **kwargs: Any) -> Any:
        if at == 3:
            raise KeyboardInterrupt
        return step(self, *args, at=at, **kwargs)

    monkeypatch.setattr(Training, "step", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "part", recipe, train, held_out)
    monkeypatch.setattr(Training, "step", step)

    def unasked(*_: object) -> torch.Tensor:
        raise AssertionError("the reference is asked again")

    monkeypatch.setattr(offline, "all_logprobs", unasked)
    result, resumed, again = run(tmp_path / "part", recipe, train, held_out)
    assert result == expected and resumed == rows
    assert same_weights(weights, again)


def test_the_reference_is_frozen_and_another_one_counts(tmp_path: Path) -> None:
    """The same policy held to another reference learns something else."""
    pairs = planted(8, seed=1)
    _, (row,), _ = run(tmp_path, recipe_of("dpo"), pairs)
    assert row["rewards/chosen"] == pytest.approx(0, abs=1e-4)
    sums: list[float] = []

    def other(policy: PreTrainedModel, rows: Sequence[Row], tokens: int) -> torch.Tensor:
        sums.extend(logprob(row, make_policy(seed=7)) for row in rows)
        return torch.tensor(sums)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offline, "all_logprobs", other)
        _, (held,), _ = run(tmp_path / "other", recipe_of("dpo"), pairs)
    own = [logprob(pair.chosen) - logprob(pair.chosen, make_policy(seed=7)) for pair in pairs]
    assert held["rewards/chosen"] == pytest.approx(0.1 * sum(own) / 8, abs=1e-3)
