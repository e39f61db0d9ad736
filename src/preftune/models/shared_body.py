"""A network with a score head over another network's body."""

import copy
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from preftune.records import BadInput


def value_head_on(
    policy: PreTrainedModel, config: PretrainedConfig | None = None
) -> PreTrainedModel:
    """A value network that shares the policy's body, with a head of zeros (Ziegler et al. 2019).

    ``config`` says what else is known of its head, the policy's own configuration if not said.
    """
    if config is None:
        config = copy.deepcopy(policy.config)
        config.num_labels = 1
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForSequenceClassification.from_config(config)
    nn.init.zeros_(score_head(model, type(policy).__name__).weight)
    setattr(model, model.base_model_prefix, getattr(policy, policy.base_model_prefix))
    nn.Module.to(model, policy.device)
    return model.eval()


def fresh_head(head: nn.Linear, seed: int) -> None:
    """N(0, 1/(d+1)), as in Stiennon et al. 2020 (released code)."""
    weight = head.weight
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        weight.copy_(torch.randn(weight.shape, generator=generator) / (weight.shape[1] + 1) ** 0.5)


def score_head(model: PreTrainedModel, source: str | Path) -> nn.Linear:
    """The layer that gives scores. Raises :class:`BadInput` where it is kept elsewhere."""
    head = getattr(model, "score", None)
    if not isinstance(head, nn.Linear):
        raise BadInput(
            f"{type(model).__name__} keeps its classification head elsewhere than `score`.",
            file=source,
            remedy="Use a causal language model family such as Llama, Qwen3 or GPT-2.",
        )
    return head
