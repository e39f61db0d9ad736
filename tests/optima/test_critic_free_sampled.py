"""Whole stories on a tiny transformer: 4,096 fresh responses a step, the optimum within .03.

One prompt, responses of one token, a score for every token of a vocabulary of six, β = 1. The
reference is the transformer as it was initialised, so the optimum is known from its own
probabilities.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.pipeline.stages.on_policy import STORIES
from preftune.records import Axes, Completion, Prompt, Sampling, StopReason
from tests.algorithms.made_critic_free import recipe_of
from tests.training.made import quiet_journal

SCORES = torch.tensor([0.0, 1.0, 2.0, 3.0, 0.5, 1.5])
PROMPT = Prompt("?")
ASKED = (4,)


def tiny() -> LlamaForCausalLM:
    """Six tokens, one layer; wide enough apart that the reference is not uniform."""
    config = LlamaConfig(
        vocab_size=6,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
        initializer_range=0.3,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return LlamaForCausalLM(config).eval()


@torch.no_grad()
def says(policy: LlamaForCausalLM) -> torch.Tensor:
    """The probabilities of the six responses."""
    return policy(torch.tensor([ASKED])).logits[0, -1].double().softmax(-1)


class Score:
    """The token's own number."""

    origin = "model"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [{"score": float(SCORES[c.token_ids[0]])} for c in completions]


def run(kind: str, folder: Path, **settings: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The reference's probabilities and those that the story ends with."""
    policy, reference = tiny(), tiny()

    def generate(prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        dice = torch.Generator().manual_seed(sampling.seed % 2**63)
        drawn = torch.multinomial(says(policy), len(prompts), replacement=True, generator=dice)
        return [
            Completion(prompt, "", StopReason.LENGTH, "v", ASKED, (token,))
            for prompt, token in zip(prompts, drawn.tolist(), strict=True)
        ]

    given: dict[str, Any] = {
        "iterations": 60,
        "rollouts": 4096,
        "epochs": 1,
        "minibatches": 1,
        "kl": {"coefficient": 1.0},
        "missing_eos": {"kind": "keep"},
        "sampling": {"max_new_tokens": 1, "temperature": 1.0},
        "optimizer": {"learning_rate": 2e-2},
        "micro_batch_tokens": 100_000,
    }
    recipe = recipe_of(kind, **(given | settings))
    inputs = OnPolicyInputs(
        policy=policy,
        reference=reference,
        pad_id=5,
        prompts=[PROMPT],
        seed=0,
        sampling=Sampling(1, temperature=1.0, seed=0),
        publish=lambda version: None,
    )
    with quiet_journal(folder) as journal:
        STORIES[kind](recipe, inputs, generate, Score(), journal, lambda _: {})
    return says(reference), says(policy)


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return 0.5 * float((one - other).abs().sum())


def tilt(reference: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    return torch.softmax(reference.log() + rewards, -1)


def std_tilt(reference: torch.Tensor) -> torch.Tensor:
    """π ∝ π_ref exp(r/σ), σ the std of r under π."""
    policy = reference
    for _ in range(500):
        mean = (policy * SCORES).sum()
        spread = (policy * (SCORES - mean).square()).sum().sqrt()
        policy = 0.5 * policy + 0.5 * tilt(reference, SCORES / spread)
    return policy


def test_rloo(tmp_path: Path) -> None:
    reference, found = run("rloo", tmp_path)
    target = tilt(reference, SCORES)
    assert distance(reference, target) > 0.2, "there is something to learn"
    assert distance(found, target) < 0.03


@pytest.mark.proof
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("reinforce", {"baseline": "moving_average"}),
        ("reinforce", {"baseline": "batch_mean"}),
        ("reinforce_plus_plus", {"iterations": 120}),
        ("online_dpo", {}),
        ("dr_grpo", {"samples": 64, "kl_estimator": "k2"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_the_tilt(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """Dr. GRPO's (1 − 1/G) is within the tolerance at G = 64."""
    reference, found = run(kind, tmp_path, **settings)
    assert distance(found, tilt(reference, SCORES)) < 0.03


@pytest.mark.proof
def test_grpo_and_gspo_have_the_std_scaled_optimum(tmp_path: Path) -> None:
    for kind in ("grpo", "gspo"):
        reference, found = run(kind, tmp_path / kind, samples=64, kl_estimator="k2")
        assert distance(found, std_tilt(reference)) < 0.03, kind


@pytest.mark.proof
def test_reinforce_plus_plus_with_baseline_has_it_too(tmp_path: Path) -> None:
    reference, found = run("reinforce_plus_plus", tmp_path, samples=64, baseline="group_mean")
    assert distance(found, std_tilt(reference)) < 0.03


@pytest.mark.proof
def test_grpo_with_k3_has_its_own(tmp_path: Path) -> None:
    """π σ-scaled: π = π_ref / (λ − r/σ), found by bisection of λ for each σ."""
    reference, found = run("grpo", tmp_path, samples=64)
    policy = reference
    for _ in range(300):
        mean = (policy * SCORES).sum()
        rewards = SCORES.double() / (policy * (SCORES - mean).square()).sum().sqrt()
        low, high = float(rewards.max()) + 1e-9, float(rewards.max()) + 10
        for _ in range(100):
            middle = (low + high) / 2
            total = float((reference / (middle - rewards)).sum())
            low, high = (middle, high) if total > 1 else (low, middle)
        policy = 0.5 * policy + 0.5 * reference / (high - rewards)
    assert distance(found, policy / policy.sum()) < 0.03


@pytest.mark.proof
def test_dapo_takes_the_best(tmp_path: Path) -> None:
    """Nothing holds it, not the guards either; one-token responses are all punished alike."""
    free = {"kl": {"coefficient": 0.0}, "guards": {"action": "warn"}}
    _, found = run("dapo", tmp_path, samples=16, iterations=100, **free)
    assert found[3] > 0.97
