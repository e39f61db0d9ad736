"""Small language models with random weights, by named families."""

from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
)

from preftune.models.fused import fuse
from preftune.recipe import Architecture
from preftune.records import BadInput


def build_policy(
    architecture: Architecture, tokenizer: PreTrainedTokenizerBase, seed: int
) -> PreTrainedModel:
    """A causal language model with fresh weights drawn from ``seed``."""
    if architecture.hidden_size % architecture.heads:
        raise BadInput(
            f"hidden_size = {architecture.hidden_size} is not a multiple of "
            f"heads = {architecture.heads}.",
            remedy="Choose a divisor.",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(_config(architecture, tokenizer))
    return fuse(model).eval()


def _config(architecture: Architecture, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
    special: dict[str, Any] = {
        "initializer_range": architecture.initializer_range,
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if architecture.family == "gpt2":
        return GPT2Config(
            n_embd=architecture.hidden_size,
            n_layer=architecture.layers,
            n_head=architecture.heads,
            n_inner=architecture.intermediate_size,
            n_positions=architecture.context,
            resid_pdrop=architecture.dropout,
            embd_pdrop=architecture.dropout,
            attn_pdrop=architecture.dropout,
            tie_word_embeddings=architecture.tie_word_embeddings,
            **special,
        )
    shape: dict[str, Any] = {
        "hidden_size": architecture.hidden_size,
        "num_hidden_layers": architecture.layers,
        "num_attention_heads": architecture.heads,
        "num_key_value_heads": architecture.heads,
        "intermediate_size": architecture.intermediate_size,
        "max_position_embeddings": architecture.context,
        "attention_dropout": architecture.dropout,
        "tie_word_embeddings": architecture.tie_word_embeddings,
    }
    if architecture.family == "llama":
        return LlamaConfig(**shape, **special)
    return Qwen3Config(head_dim=architecture.hidden_size // architecture.heads, **shape, **special)
