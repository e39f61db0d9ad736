"""Hugging Face folders in and out: safetensors only, no remote code, checked at the door."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from preftune.models.adapter_folders import (
    adapter_config,
    base_of,
    merge_from,
    merged_weights,
    own_config,
    save_adapter,
)
from preftune.models.adapters import adapter_of
from preftune.models.ensembles import require_one_model
from preftune.models.fused import fuse
from preftune.models.heads import BIAS, GAIN, axes_of, require_axes
from preftune.models.rendering import Renderer
from preftune.models.shared_body import fresh_head, score_head
from preftune.records import BadInput

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()


def load_policy(source: str | Path, device: torch.device) -> PreTrainedModel:
    """A causal language model from a folder or a hub name, float32, in evaluation mode.

    Raises :class:`BadInput` for a folder that holds no model.
    """
    return _load(AutoModelForCausalLM, source, device)


def load_reward_model(source: str | Path, device: torch.device) -> PreTrainedModel:
    """A reward model: a sequence classifier with one output, or several named ones.

    Raises :class:`BadInput` when the folder holds a language model or another classifier.
    """
    config = _config(source)
    architectures = config.get("architectures") or []
    if architectures and not any("SequenceClassification" in name for name in architectures):
        raise BadInput(
            f"This is a {architectures[0]}, not a reward model.",
            file=source,
            remedy="Train one with a reward_model stage, or name another folder.",
        )
    model = _load(AutoModelForSequenceClassification, source, device)
    axes = axes_of(model.config)
    if model.config.num_labels != (1 if axes is None else len(axes.names)):
        raise BadInput(
            f"A reward model has one output and this model has {model.config.num_labels}, "
            "and its configuration does not say which is the score.",
            file=source,
            remedy="Train one with a reward_model stage.",
        )
    score_head(model, source)
    return model


def reward_model_from(
    source: str | Path, device: torch.device, seed: int, outputs: Sequence[str] = ("score",)
) -> PreTrainedModel:
    """A reward model with the body of ``source`` and a fresh head, N(0, 1/(d+1)), no bias.

    Head as in Stiennon et al. 2020 (released code), a row for each of ``outputs``. A source that
    is a reward model already keeps its head.
    """
    if any("SequenceClassification" in n for n in _config(source).get("architectures") or []):
        model = load_reward_model(source, device)
        require_axes(model.config, outputs, source)
        return model
    model = _load(AutoModelForSequenceClassification, source, device, num_labels=len(outputs))
    fresh_head(score_head(model, source), seed)
    return model


def set_normalisation(model: PreTrainedModel, gain: float, bias: float) -> None:
    """Composes with what is stored: afterwards score' = gain · score + bias."""
    before_gain = float(getattr(model.config, GAIN, 1.0))
    before_bias = float(getattr(model.config, BIAS, 0.0))
    setattr(model.config, GAIN, gain * before_gain)
    setattr(model.config, BIAS, gain * before_bias + bias)


def context_of(model: PreTrainedModel) -> int:
    """The longest sequence the model was made for, in tokens."""
    for name in ("max_position_embeddings", "n_positions"):
        size = getattr(model.config, name, None)
        if size:
            return int(size)
    return 2048


def renderer_for(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, source: str | Path
) -> Renderer:
    """Model and tokenizer as a renderer. Raises :class:`BadInput` when they do not fit."""
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, nn.Module)
    weight = embedding.weight
    assert isinstance(weight, torch.Tensor)
    rows = weight.shape[0]
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= rows:
        raise BadInput(
            f"The tokenizer has ids up to {largest} and the model only {rows} embeddings.",
            file=source,
            remedy="Use the tokenizer this model was trained with.",
        )
    return Renderer(tokenizer, context_of(model))


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    card: str,
    base: Path | None = None,
) -> None:
    """Weights as safetensors, configuration, tokenizer and a model card.

    A model with an adapter is saved merged, or where its ``base`` is named as a PEFT folder.
    """
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    generation = getattr(model, "generation_config", None)
    if generation is not None:
        generation.eos_token_id = tokenizer.eos_token_id
        generation.pad_token_id = tokenizer.pad_token_id
    if adapter_of(model) is None:
        model.save_pretrained(str(folder), safe_serialization=True)
    elif base is None:
        model.save_pretrained(str(folder), state_dict=merged_weights(model, torch.device("cpu")))
    else:
        save_adapter(model, folder, base)
    tokenizer.save_pretrained(str(folder))
    (folder / "README.md").write_text(card, encoding="utf-8")


def _load(
    auto: type[AutoModelForCausalLM] | type[AutoModelForSequenceClassification],
    source: str | Path,
    device: torch.device,
    **settings: Any,
) -> PreTrainedModel:
    _config(source)
    if adapter_config(source) is not None:
        base = _load(auto, base_of(source), device, **{**settings, **own_config(source)})
        return merge_from(source, base).eval()
    try:
        model = auto.from_pretrained(
            _name(source),
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            **settings,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"The model cannot be loaded: {reason.rstrip('.')}.",
            file=source,
            remedy="Give a folder written by save_pretrained with safetensors weights.",
        ) from error
    nn.Module.to(model, device)
    return fuse(model).eval()


def _config(source: str | Path) -> dict[str, list[str] | None]:
    """config.json of a folder; of a hub name, what transformers fetches."""
    name, folder = _name(source), Path(_name(source))
    if (
        folder.exists()
        or str(source).startswith(("/", ".", "~"))
        or os.sep in str(source)
        and not str(source).startswith("hub:")
    ):
        require_one_model(folder)
        adapter = adapter_config(source)
        if adapter is not None and not (folder / "config.json").exists():
            kind = "ForSequenceClassification" if adapter.get("task_type") == "SEQ_CLS" else ""
            below = _config(base_of(source))
            return {**below, "architectures": [kind]} if kind else below
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise BadInput(
                "This folder is no model: it has no readable config.json.",
                file=source,
                remedy="Give a folder written by save_pretrained.",
            ) from None
        return config if isinstance(config, dict) else {}
    try:
        return AutoConfig.from_pretrained(name, trust_remote_code=False).to_dict()
    except (OSError, ValueError) as error:
        raise BadInput(
            f"There is no model folder {name!r}, and no model hub has it within reach.",
            remedy="Check the path.",
        ) from error


def _name(source: str | Path) -> str:
    return str(source).removeprefix("hub:")
