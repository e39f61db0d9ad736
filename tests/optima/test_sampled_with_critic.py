"""The stories themselves, on fresh samples of a tiny transformer, end near the known optimum."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    PreTrainedModel,
)

from preftune.algorithms.nlpo import NLPOInputs
from preftune.algorithms.ppo import PPOInputs
from preftune.models import ActionMask, Row, collate, response_logits
from preftune.pipeline.stages.on_policy import STORIES
from preftune.records import Axes, Completion, Prompt, Sampling, StopReason
from tests.algorithms.made import critic_recipe
from tests.training.made import quiet_journal

ROLLOUTS = 4096
VOCABULARY = 6
PROMPT = (1,)
SCORES = torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
STEPS: dict[str, dict[str, Any]] = {
    "ppo": {"optimizer": {"learning_rate": 2e-2}},
    "a2c": {"optimizer": {"learning_rate": 1e-2}},
    "nlpo": {"optimizer": {"learning_rate": 2e-2}, "top_p": 1.0},
    "trpo": {"kl_limit": 0.02, "kl_limit_final": 1e-6, "epochs": 1, "cg_damping": 1e-3},
}


def network(auto: Any, seed: int = 0) -> PreTrainedModel:
    """About 1,500 weights."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8,
        num_labels=1,
        pad_token_id=0,
        initializer_range=0.2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return auto.from_config(config).eval()


def first_token(policy: PreTrainedModel) -> torch.Tensor:
    """Its probabilities after the prompt."""
    with torch.no_grad():
        batch = collate([Row(PROMPT, (2,))], 0, policy.device)
        return response_logits(policy, batch)[0, 0].double().softmax(-1)


@dataclass
class Sampler:
    """One token a response, all drawn from one distribution at once."""

    policy: PreTrainedModel

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        generator = torch.Generator().manual_seed(sampling.seed % 2**63)
        drawn = torch.multinomial(
            first_token(self.policy), len(prompts), replacement=True, generator=generator
        )
        return [
            Completion(prompt, "", StopReason.EOS, "v", PROMPT, (token,))
            for prompt, token in zip(prompts, drawn.tolist(), strict=True)
        ]


def score(completions: Sequence[Completion]) -> list[Axes | None]:
    return [{"score": float(SCORES[c.token_ids[0]])} for c in completions]


def far_from_the_optimum(kind: str, folder: Path) -> float:
    """Total variation between the policy a story ends with and π_ref exp(r / β), β = 1."""
    recipe = critic_recipe(
        kind,
        **{
            "iterations": 60,
            "rollouts": ROLLOUTS,
            "minibatches": 1,
            "epochs": 1,
            "kl": {"kind": "fixed", "coefficient": 1.0},
            "sampling": {"max_new_tokens": 1, "temperature": 1.0},
            "value_optimizer": {"learning_rate": 2e-2},
            "micro_batch_tokens": 16384,
        }
        | STEPS[kind],
    )
    policy, reference = (network(AutoModelForCausalLM) for _ in range(2))
    inputs = {
        "policy": policy,
        "reference": reference,
        "value": network(AutoModelForSequenceClassification),
        "pad_id": 0,
        "prompts": [Prompt("x")],
        "seed": 0,
        "sampling": Sampling(1, temperature=1.0, seed=0),
        "publish": lambda version: None,
    }
    made: Any = PPOInputs(**inputs)
    if kind == "nlpo":
        mask = ActionMask(network(AutoModelForCausalLM), recipe.top_p, 1, (0,))
        made = NLPOInputs(**inputs, mask=mask)
    with quiet_journal(folder) as journal:
        STORIES[kind](recipe, made, Sampler(policy), score, journal, lambda _: {})  # type: ignore
    target = first_token(reference) * SCORES.double().exp()
    start = 0.5 * float((first_token(reference) - target / target.sum()).abs().sum())
    assert start > 0.15, "there is some way to go"
    return 0.5 * float((first_token(policy) - target / target.sum()).abs().sum())


@pytest.mark.parametrize(
    "kind", ["ppo", *(pytest.param(k, marks=pytest.mark.proof) for k in ("a2c", "nlpo", "trpo"))]
)
def test_fresh_samples_lead_to_the_tilt(kind: str, tmp_path: Path) -> None:
    assert far_from_the_optimum(kind, tmp_path) < 0.03
