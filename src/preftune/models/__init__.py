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
from preftune.models.value_heads import (
    GUIDANCE,
    ValueHeads,
    build_value_heads,
    load_value_heads,
    read_states,
    save_value_heads,
)

__all__ = [
    "GUIDANCE",
    "Batch",
    "Fitted",
    "Renderer",
    "Row",
    "TokenStatistics",
    "ValueHeads",
    "build_policy",
    "build_value_heads",
    "collate",
    "context_of",
    "fit_prompts",
    "fit_rows",
    "load_policy",
    "load_reward_model",
    "load_tokenizer",
    "load_value_heads",
    "micro_batches",
    "read_states",
    "renderer_for",
    "response_logits",
    "response_logprobs",
    "response_statistics",
    "reward_model_from",
    "save_model",
    "save_value_heads",
    "scores",
    "scores_of_rows",
    "set_normalisation",
    "train_tokenizer",
    "values",
]
