"""Policies, reward models, tokenizers: text to ids, ids to tensors, folders in and out."""

from preftune.models.action_mask import ActionMask, masked_response_logits
from preftune.models.adapter_folders import is_over, network_over
from preftune.models.adapters import (
    adapter_of,
    adapters_in,
    add_adapter,
    reading,
    weights_digest,
    without_adapter,
)
from preftune.models.batches import Batch, collate, micro_batches
from preftune.models.checkpointing import forget_activations
from preftune.models.embeddings import embed_by_cooccurrence
from preftune.models.ensembles import (
    Ensemble,
    LinearShare,
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
from preftune.models.linear import (
    LinearModel,
    load_linear,
    reading_of,
    save_linear,
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
    statistics_of,
    step_ends,
    step_scores,
    twice_differentiable,
    values,
)
from preftune.models.packed import packed_logprobs
from preftune.models.precision import autocast_of, compute_in, computed_in
from preftune.models.rendering import Fitted, Renderer, Row, fit_prompts, fit_rows
from preftune.models.scratch import build_policy
from preftune.models.shared import (
    dealt_by_prompt,
    logprobs_of_rows,
    packed_length,
    scores_of_rows,
)
from preftune.models.shared_body import fresh_head, value_head_on
from preftune.models.soups import load_soup
from preftune.models.text_features import word_counts
from preftune.models.tokenizers import load_tokenizer, stop_ids, train_tokenizer
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
    "ActionMask",
    "Axes",
    "Batch",
    "Ensemble",
    "Fitted",
    "LinearModel",
    "LinearShare",
    "Renderer",
    "Row",
    "Steps",
    "TokenStatistics",
    "ValueHeads",
    "adapter_of",
    "adapters_in",
    "add_adapter",
    "autocast_of",
    "average_weights",
    "axes_of",
    "axis_scores",
    "build_policy",
    "build_value_heads",
    "collate",
    "compute_in",
    "computed_in",
    "context_of",
    "dealt_by_prompt",
    "embed_by_cooccurrence",
    "first_member",
    "forget_activations",
    "fresh_head",
    "is_over",
    "network_over",
    "fit_prompts",
    "fit_rows",
    "load_linear",
    "load_policy",
    "load_reward_model",
    "load_soup",
    "load_tokenizer",
    "load_value_heads",
    "logprobs_of_rows",
    "masked_response_logits",
    "micro_batches",
    "packed_length",
    "packed_logprobs",
    "read_ensemble",
    "read_states",
    "reading",
    "reading_of",
    "renderer_for",
    "response_logits",
    "response_logprobs",
    "response_statistics",
    "reward_model_from",
    "save_linear",
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
    "statistics_of",
    "step_ends",
    "step_scores",
    "steps_of",
    "stop_ids",
    "temperature_of",
    "train_tokenizer",
    "twice_differentiable",
    "value_head_on",
    "values",
    "weights_digest",
    "without_adapter",
    "word_counts",
    "write_ensemble",
]
