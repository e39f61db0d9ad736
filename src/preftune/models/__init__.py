"""Policies, reward models, tokenizers: text to ids, ids to tensors, folders in and out."""

from preftune.models.batches import Batch, collate, micro_batches
from preftune.models.loading import (
    context_of,
    load_policy,
    load_reward_model,
    renderer_for,
    reward_model_from,
    save_model,
    set_normalisation,
)
from preftune.models.networks import (
    TokenStatistics,
    response_logits,
    response_logprobs,
    response_statistics,
    scores,
    values,
)
from preftune.models.rendering import Fitted, Renderer, Row, fit_prompts, fit_rows
from preftune.models.scratch import build_policy
from preftune.models.shared import scores_of_rows
from preftune.models.tokenizers import load_tokenizer, train_tokenizer

__all__ = [
    "Batch",
    "Fitted",
    "Renderer",
    "Row",
    "TokenStatistics",
    "build_policy",
    "collate",
    "context_of",
    "fit_prompts",
    "fit_rows",
    "load_policy",
    "load_reward_model",
    "load_tokenizer",
    "micro_batches",
    "renderer_for",
    "response_logits",
    "response_logprobs",
    "response_statistics",
    "reward_model_from",
    "save_model",
    "scores",
    "scores_of_rows",
    "set_normalisation",
    "train_tokenizer",
    "values",
]
