"""One round of rejection sampling on the bandit: the policy becomes the best-of-K distribution."""

import itertools
from pathlib import Path

import pytest
import torch

from preftune.algorithms.rejection_sampling import RejectionInputs, Scored, keep, rejection_sampling
from preftune.evaluation import best_of_n_policy
from preftune.maths.losses.sft import sft_loss
from preftune.models import Row, collate, response_logits
from preftune.recipe import RejectionSampling
from preftune.records import Axes, Completion, Prompt, Sampling
from preftune.rollouts import NativeEngine
from tests.models.made import CPU, make_policy, renderer_of
from tests.training.made import quiet_journal

REFERENCE = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)


def recipe_of(samples: int, **settings: object) -> RejectionSampling:
    given = {"policy": "p", "reward_model": "r", "prompts": "x", "rounds": 1, "samples": samples}
    return RejectionSampling.model_validate(given | settings)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_exactly(samples: int) -> None:
    """All 4^K draws, each by its chance; the story's choice; the minimum of the SFT loss.

    P(best of K = k) = F(k)^K − F(k − 1)^K with F = .4, .7, .9, 1.
    """
    recipe, kept = recipe_of(samples), torch.zeros(4, dtype=torch.float64)
    for drawn in itertools.product(range(4), repeat=samples):
        responses = [Scored(Row((9,), (k,)), float(k), True) for k in drawn]
        (best,) = keep(recipe, responses, 1)
        kept[best.row.response_ids[0]] += REFERENCE[list(drawn)].prod()
    logits = REFERENCE.log().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        mask = torch.ones(1, 1, dtype=torch.bool)
        losses = [
            sft_loss(logprobs_BT=logprob.reshape(1, 1), action_mask_BT=mask, denominator=1.0)
            for logprob in logits.log_softmax(-1)
        ]
        loss = (kept * torch.stack(losses)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    cumulative = [0.0, 0.4, 0.7, 0.9, 1.0]
    expected = [b**samples - a**samples for a, b in itertools.pairwise(cumulative)]
    found = logits.detach().softmax(-1)
    assert 0.5 * float((found - torch.tensor(expected)).abs().sum()) < 1e-6


class Bucket:
    """The score of a token is its id modulo 4: a bandit of four actions."""

    origin = "rule"

    def __call__(self, completions: list[Completion]) -> list[Axes | None]:
        return [{"score": float(c.token_ids[0] % 4)} for c in completions]


def buckets(policy: torch.nn.Module, prompt_ids: tuple[int, ...]) -> torch.Tensor:
    """The chances of the four actions."""
    with torch.no_grad():
        logits = response_logits(policy, collate([Row(prompt_ids, (0,))], 1, CPU))  # type: ignore[arg-type]
    chances = logits[0, 0].double().softmax(-1)
    return torch.stack([chances[k::4].sum() for k in range(4)])


def test_sampled_through_the_real_story(tmp_path: Path) -> None:
    """4,096 prompts, best of 3 one-token responses of a transformer, one round: < .03."""
    policy = make_policy()
    renderer = renderer_of(policy)
    prompt = Prompt("Where is my lamp?")
    ids = renderer.prompt_ids(prompt.text)
    before = buckets(policy, ids)
    recipe = recipe_of(
        3,
        dedupe=False,
        drop_unfinished=False,
        epochs=12,
        batch_size=1024,
        micro_batch_tokens=65536,
        sampling={"max_new_tokens": 1},
        optimizer={"learning_rate": 2e-2, "warmup_steps": 0, "final_fraction": 0.0},
    )
    inputs = RejectionInputs(
        policy=policy,
        pad_id=1,
        prompts=[prompt] * 4096,
        seed=0,
        sampling=Sampling(1),
        publish=lambda version: None,
    )
    engine = NativeEngine(policy, renderer, "v", batch_size=4096)
    with quiet_journal(tmp_path) as journal:
        rejection_sampling(recipe, inputs, engine, Bucket(), journal, lambda _: {})  # type: ignore[arg-type]
    expected = torch.tensor(best_of_n_policy(before.numpy(), range(4), 3))
    assert 0.5 * float((before - expected).abs().sum()) > 0.2
    assert 0.5 * float((buckets(policy, ids) - expected).abs().sum()) < 0.03
