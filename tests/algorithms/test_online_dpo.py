"""Online DPO: labels from scores, pairs that stay together, one loss by hand."""

import math

import pytest
import torch

from preftune.algorithms.on_policy import judge
from preftune.algorithms.online_dpo import labelled, objective
from preftune.models import collate, response_logprobs
from tests.algorithms.made import PAD, make_run
from tests.algorithms.made_critic_free import completions, recipe_of, scored_as
from tests.models.made import CPU


def rolled(labels: str):  # type: ignore[no-untyped-def]
    recipe = recipe_of(
        "online_dpo", rollouts=6, minibatches=1, labels=labels, missing_eos={"kind": "keep"}
    )
    run = make_run(recipe)
    with torch.no_grad():
        run.inputs.policy.model.norm.weight.mul_(1.2)
    given = completions([3, 2, 8, 1, 4, 4])
    return recipe, run, judge(recipe, run.inputs, given, scored_as([1.0, 3.0, 2.0, 2.0, 4.0, 1.0]))


def test_labels() -> None:
    """Differences −2, 0, 3: σ(−2) = .1192, ½, σ(3) = .9526; or 0, ½, 1."""
    recipe, _, scored = rolled("probability")
    assert labelled(recipe, scored).tolist() == pytest.approx([0.1192029, 0.5, 0.9525741])
    recipe, _, scored = rolled("higher")
    assert labelled(recipe, scored).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [4, 5, 0, 1, 2, 3]])
def test_the_loss_by_hand(order: list[int]) -> None:
    recipe, run, scored = rolled("higher")
    labels = labelled(recipe, scored)
    tokens = int(scored.action_mask_BT.sum())
    step = objective(run.inputs, scored, labels, 0.5, tokens, 6)(order)
    ratios = []
    for row in scored.rows:
        batch = collate([row], PAD, CPU)
        with torch.no_grad():
            now = response_logprobs(run.inputs.policy, batch, 0.7).sum()
            then = response_logprobs(run.inputs.reference, batch, 0.7).sum()
        ratios.append(float(now - then))
    losses = []
    for pair, p in enumerate([0.0, 0.5, 1.0]):
        h = 0.5 * (ratios[2 * pair] - ratios[2 * pair + 1])
        losses.append(p * math.log1p(math.exp(-h)) + (1 - p) * math.log1p(math.exp(h)))
    assert max(abs(r) for r in ratios) > 0.05
    assert float(step.total.detach()) == pytest.approx(sum(losses) / 3, abs=1e-4)


def test_parts_of_a_step_add_up() -> None:
    recipe, run, scored = rolled("probability")
    labels, tokens = labelled(recipe, scored), int(scored.action_mask_BT.sum())
    loss = objective(run.inputs, scored, labels, 0.5, tokens, 6)
    whole = float(loss([0, 1, 2, 3, 4, 5]).total.detach())
    parts = float(loss([2, 3]).total.detach()) + float(loss([4, 5, 0, 1]).total.detach())
    assert parts == pytest.approx(whole, abs=1e-5)
