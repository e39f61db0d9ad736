"""The shared steps: penalties, what networks say of a rollout, credit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from preftune.algorithms.critic import credit
from preftune.algorithms.guarding import GAP
from preftune.algorithms.on_policy import judge
from preftune.algorithms.reading import action_mask, tabulate
from preftune.algorithms.scoring import penalised_scores
from preftune.models import Row, collate, logprobs_at, response_logprobs, scores, values
from preftune.records import Completion, Prompt, StopReason
from tests.algorithms.made import EOS, PAD, make_run, ppo_recipe
from tests.models.made import CPU, make_rows

PROMPT = Prompt("Where is my lamp?")
WRITTEN = [
    Completion(PROMPT, "", StopReason.EOS, "v", (20, 21), (30, 31, EOS)),
    Completion(PROMPT, "", StopReason.LENGTH, "v", (22,), (32, 33, 34, 35)),
    Completion(PROMPT, "", StopReason.STOP, "v", (23, 24, 25), (36,)),
]


def constant(values: list[float]) -> Any:
    """A score that gives these numbers."""

    def score(completions: object) -> list[dict[str, float]]:
        return [{"score": value} for value in values]

    return score


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"kind": "replace"}, [2.0, -1.0, 0.5]),
        ({"kind": "replace", "score": -3.0}, [2.0, -3.0, 0.5]),
        ({"kind": "subtract"}, [2.0, 3.0, 0.5]),
        ({"kind": "subtract", "penalty": 0.25}, [2.0, 3.75, 0.5]),
        ({"kind": "keep"}, [2.0, 4.0, 0.5]),
    ],
)
def test_responses_that_never_end(rule: dict[str, Any], expected: list[float]) -> None:
    recipe = ppo_recipe(missing_eos=rule)
    assert penalised_scores(recipe, WRITTEN, torch.tensor([2.0, 4.0, 0.5])).tolist() == expected


def test_scores_are_clipped_before_the_penalty() -> None:
    recipe = ppo_recipe(clip_scores=1.5, missing_eos={"kind": "subtract", "penalty": 1.0})
    assert penalised_scores(recipe, WRITTEN, torch.tensor([2.0, 4.0, -9.0])).tolist() == [
        1.5,
        0.5,
        -1.5,
    ]


def test_the_reward_is_at_the_last_real_token() -> None:
    """Ended, cut off and stopped; without KL it is the only reward there is."""
    recipe = ppo_recipe(missing_eos={"kind": "keep"}, kl={"kind": "fixed", "coefficient": 0.0})
    inputs = make_run(recipe).inputs
    scored = judge(recipe, inputs, WRITTEN, constant([2.0, 4.0, 0.5]))
    rewards = credit(recipe, inputs, scored, 0.0).rewards_BT
    assert rewards.tolist() == [[0, 0, 2, 0], [0, 0, 0, 4], [0.5, 0, 0, 0]]


def test_the_engine_s_numbers_are_taken_where_they_are_proven() -> None:
    """Told right, told wrong and not told at all."""
    recipe = ppo_recipe(missing_eos={"kind": "keep"})
    inputs, score = make_run(recipe).inputs, constant([2.0, 4.0, 0.5])
    asking = recipe.model_copy(update={"old_logprobs": "engine"})
    read = judge(recipe, inputs, WRITTEN, score).logprobs_BT

    def told(off: float) -> list[Completion]:
        table = read + off
        return [
            replace(c, logprobs=tuple(table[i, : len(c.token_ids)].tolist()))
            for i, c in enumerate(WRITTEN)
        ]

    close = judge(asking, inputs, told(5e-5), score)
    mask = close.action_mask_BT
    assert torch.allclose(close.logprobs_BT[mask], read[mask] + 5e-5, atol=1e-6)
    assert close.logprobs_BT[~mask].eq(0).all()
    assert close.sampler_gap[f"{GAP}/max"] == pytest.approx(5e-5, abs=2e-6)
    far = judge(asking, inputs, told(2e-3), score)
    assert torch.equal(far.logprobs_BT, read)
    assert far.sampler_gap[f"{GAP}/max"] == pytest.approx(2e-3, abs=2e-6)
    assert torch.equal(judge(asking, inputs, WRITTEN, score).logprobs_BT, read)
    one_silent = [*told(5e-5)[:2], WRITTEN[2]]
    assert torch.equal(judge(asking, inputs, one_silent, score).logprobs_BT, read)
    assert torch.equal(judge(recipe, inputs, told(5e-5), score).logprobs_BT, read)


def test_kl_is_paid_at_every_token() -> None:
    recipe = ppo_recipe(missing_eos={"kind": "keep"})
    run = make_run(recipe)
    with torch.no_grad():
        run.inputs.policy.model.norm.weight.mul_(1.2)
    scored = judge(recipe, run.inputs, WRITTEN, constant([2.0, 4.0, 0.5]))
    rewards = credit(recipe, run.inputs, scored, 0.3).rewards_BT
    rows = [Row(c.prompt_token_ids, c.token_ids) for c in WRITTEN]
    for index, (row, score) in enumerate(zip(rows, (2.0, 4.0, 0.5), strict=True)):
        batch = collate([row], PAD, CPU)
        with torch.no_grad():
            policy = response_logprobs(run.inputs.policy, batch, 0.7)[0]
            reference = response_logprobs(run.inputs.reference, batch, 0.7)[0]
        expected = -0.3 * (policy - reference)
        expected[-1] += score
        assert torch.allclose(rewards[index, : len(expected)], expected, atol=1e-4)
    exact = [float(r.sum()) for r in scored.kl_BT]
    assert scored.kl == pytest.approx(np.mean(exact), abs=1e-5) and abs(scored.kl) > 0.01


def test_returns_are_taken_before_advantages_are_whitened() -> None:
    recipe = ppo_recipe(missing_eos={"kind": "keep"}, lam=0.9)
    inputs = make_run(recipe).inputs
    scored = judge(recipe, inputs, WRITTEN, constant([2.0, 4.0, 0.5]))
    credited = credit(recipe, inputs, scored, 0.05)
    mask = scored.action_mask_BT.numpy()
    advantages = np.zeros_like(mask, dtype=float)
    for row, length in enumerate(mask.sum(-1)):
        running = 0.0
        v = [*credited.values_BT[row, :length].tolist(), 0.0]
        for t in reversed(range(length)):
            delta = float(credited.rewards_BT[row, t]) + v[t + 1] - v[t]
            running = delta + 0.9 * running
            advantages[row, t] = running
    returns = (advantages + credited.values_BT.numpy()) * mask
    assert np.allclose(credited.returns_BT, returns, atol=1e-5)
    kept = advantages[mask]
    white = (kept - kept.mean()) / kept.std()
    assert np.allclose(credited.advantages_BT.numpy()[mask], white, atol=1e-4)
    errors = (returns - credited.values_BT.numpy())[mask]
    explained = 1 - errors.var() / returns[mask].var()
    metrics = credited.metrics()
    assert metrics["value/explained_variance"] == pytest.approx(explained, abs=1e-4)
    total = credited.rewards_BT.sum().item() / 3
    assert metrics["objective/rlhf_reward"] == pytest.approx(total, abs=1e-5)
    assert metrics["objective/non_score_reward"] == pytest.approx(total - 6.5 / 3, abs=1e-5)


def test_whitened_rewards_keep_their_mean() -> None:
    recipe = ppo_recipe(missing_eos={"kind": "keep"}, whiten_rewards=True)
    inputs = make_run(recipe).inputs
    scored = judge(recipe, inputs, WRITTEN, constant([2.0, 4.0, 0.5]))
    unscaled = recipe.model_copy(update={"whiten_rewards": False})
    plain = credit(unscaled, inputs, scored, 0.05).rewards_BT
    kept = credit(recipe, inputs, scored, 0.05).rewards_BT[scored.action_mask_BT]
    before = plain[scored.action_mask_BT]
    assert kept.mean().item() == pytest.approx(before.mean().item(), abs=1e-5)
    assert kept.std(correction=0).item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_reading_does_not_depend_on_micro_batches(family: str) -> None:
    rows = make_rows(9, seed=4)
    rows = [Row(rows[i % 3].prompt_ids, row.response_ids) for i, row in enumerate(rows)]
    recipe = ppo_recipe()
    inputs = make_run(recipe, family).inputs
    small = recipe.model_copy(update={"micro_batch_tokens": 64})

    def read(some: Sequence[Row]) -> torch.Tensor:
        return logprobs_at(inputs.policy, some, 0.7)

    whole = tabulate(recipe, inputs, rows, read)
    split, shared = (tabulate(small, inputs, rows, read, shares_prompts=on) for on in (False, True))
    assert torch.allclose(whole, shared, atol=1e-5)
    assert torch.allclose(whole, split, atol=1e-5)
    mask = action_mask(rows)
    assert mask.sum(-1).tolist() == [len(row.response_ids) for row in rows]
    assert (whole[~mask] == 0).all() and (whole[mask] < 0).all()


def test_a_fresh_value_network_values_prefixes_as_the_reward_model_scores_them() -> None:
    recipe = ppo_recipe()
    run = make_run(recipe)
    row = Row((20, 21), (30, 31, 32, EOS))

    def read(rows: Sequence[Row]) -> torch.Tensor:
        return values(run.inputs.value, collate(rows, PAD, CPU))

    table = tabulate(recipe, run.inputs, [row], read)[0]
    for t in range(1, 4):
        prefix = collate([Row(row.prompt_ids, row.response_ids[:t])], PAD, CPU)
        with torch.no_grad():
            assert table[t].item() == pytest.approx(
                scores(run.inputs.value, prefix).item(), abs=1e-5
            )


def test_a_missing_score_is_not_passed_over() -> None:
    recipe = ppo_recipe()

    def partial(completions: object) -> list[dict[str, float] | None]:
        return [{"score": 1.0}, None, {"score": 2.0}]

    with pytest.raises(ValueError, match="no score for response 1"):
        judge(recipe, make_run(recipe).inputs, WRITTEN, partial)  # type: ignore[arg-type]


def test_metrics_of_a_rollout() -> None:
    recipe = ppo_recipe()
    scored = judge(recipe, make_run(recipe).inputs, WRITTEN, constant([2.0, 4.0, 0.5]))
    metrics = scored.metrics()
    assert metrics["objective/scores"] == pytest.approx((2 - 1 + 0.5) / 3)
    assert metrics["proxy/score"] == pytest.approx(6.5 / 3)
    assert metrics["completions/mean_length"] == pytest.approx(8 / 3)
    assert metrics["completions/eos_rate"] == pytest.approx(2 / 3)
    assert metrics["objective/kl"] == pytest.approx(0, abs=1e-5)
    assert metrics["objective/entropy"] == pytest.approx(-scored.logprobs_BT.sum().item() / 3)


def test_the_replaced_dataclass_keeps_its_rows() -> None:
    recipe = ppo_recipe()
    scored = judge(recipe, make_run(recipe).inputs, WRITTEN, constant([2.0, 4.0, 0.5]))
    assert replace(scored, raw_scores_B=torch.zeros(3)).rows == scored.rows
    assert scored.ended_B.tolist() == [True, False, True]
