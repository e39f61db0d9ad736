"""Small random networks and a small tokenizer, the same ones in every test."""

from functools import cache

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from preftune.models import (
    Renderer,
    Row,
    add_adapter,
    build_policy,
    context_of,
    train_tokenizer,
)
from preftune.recipe import Adapter, Architecture
from preftune.records import Prompt
from preftune.training import owned_parameters

CPU = torch.device("cpu")
FAMILIES = ("gpt2", "llama", "qwen3")
SMALL = Adapter(rank=4, alpha=8)
TEXTS = [
    f"Order {n}: {thing} for {who}. Where is my {thing}? It arrives on {day}."
    for n, (thing, who, day) in enumerate(
        (thing, who, day)
        for thing in ("lamp", "kettle", "tent", "scarf")
        for who in ("Ann", "Bob", "Eve")
        for day in ("Monday", "Friday", "Sunday")
    )
]


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    """300 byte-pair tokens, an end token (0) and a pad token (1)."""
    return train_tokenizer(TEXTS, 300)


def architecture(family: str, dropout: float = 0.0, context: int = 64) -> Architecture:
    return Architecture(
        family=family,  # type: ignore[arg-type]
        hidden_size=32,
        layers=2,
        heads=2,
        intermediate_size=48,
        context=context,
        dropout=dropout,
        initializer_range=0.2,
    )


def make_policy(
    family: str = "llama", seed: int = 0, dropout: float = 0.0, context: int = 64
) -> PreTrainedModel:
    """About 20,000 weights, wide enough apart that every token matters."""
    return build_policy(architecture(family, dropout, context), tokenizer(), seed)


def make_reward_model(family: str = "llama", seed: int = 0) -> PreTrainedModel:
    """A sequence classifier with one output and random weights."""
    config = make_policy(family).config
    config.num_labels = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForSequenceClassification.from_config(config).eval()


def make_renderer(context: int = 64) -> Renderer:
    return Renderer(tokenizer(), context)


def renderer_of(model: PreTrainedModel) -> Renderer:
    return Renderer(tokenizer(), context_of(model))


def make_rows(count: int, seed: int = 0, longest: int = 12) -> list[Row]:
    """Rows of random ids with prompts and responses of different lengths, at least one each."""
    rng = np.random.default_rng(seed)

    def ids() -> tuple[int, ...]:
        return tuple(rng.integers(2, 300, int(rng.integers(1, longest + 1))).tolist())

    return [Row(ids(), ids()) for _ in range(count)]


def make_prompts(count: int) -> list[Prompt]:
    return [Prompt(TEXTS[i % len(TEXTS)][: 8 + 5 * (i % 7)]) for i in range(count)]


def moved(
    model: PreTrainedModel, settings: Adapter = SMALL, name: str = "policy"
) -> PreTrainedModel:
    """The model with an adapter that has learned something."""
    add_adapter(model, settings, name, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for key, parameter in owned_parameters(model):
            if "lora_B" in key:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model
