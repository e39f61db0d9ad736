"""Policies, reward models, tokenizers: text to ids, ids to tensors, folders in and out."""

from preftune.models.batches import Batch, collate, micro_batches
from preftune.models.embeddings import embed_by_cooccurrence
from preftune.models.ensembles import (
    Ensemble,
    average_weights,
    first_member,
    read_ensemble,
    write_ensemble,
)
from preftune.models.heads import (
    Axes,
    Steps,
    axes_of,
    separator_ids,
    set_axes,
    set_steps,
    set_temperature,
    steps_of,
    temperature_of,
)
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
    axis_scores,
    response_logits,
    response_logprobs,
    response_statistics,
    score_of_axes,
    scores,
    step_ends,
    step_scores,
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
    "Axes",
    "Batch",
    "Ensemble",
    "Fitted",
    "Renderer",
    "Row",
    "Steps",
    "TokenStatistics",
    "ValueHeads",
    "average_weights",
    "axes_of",
    "axis_scores",
    "build_policy",
    "build_value_heads",
    "collate",
    "context_of",
    "embed_by_cooccurrence",
    "first_member",
    "fit_prompts",
    "fit_rows",
    "load_policy",
    "load_reward_model",
    "load_tokenizer",
    "load_value_heads",
    "micro_batches",
    "read_states",
    "read_ensemble",
    "renderer_for",
    "response_logits",
    "response_logprobs",
    "response_statistics",
    "reward_model_from",
    "save_model",
    "save_value_heads",
    "score_of_axes",
    "scores",
    "scores_of_rows",
    "separator_ids",
    "set_axes",
    "set_normalisation",
    "set_steps",
    "set_temperature",
    "step_ends",
    "step_scores",
    "steps_of",
    "temperature_of",
    "train_tokenizer",
    "values",
    "write_ensemble",
]
