"""TRL's ``DPOConfig`` as a ``dpo`` stage, or an ``ipo`` stage where its loss is IPO's."""

from collections.abc import Mapping
from typing import Any

from preftune.recipe.trl_optimizer import optimizer_rows
from preftune.recipe.trl_rows import (
    Row,
    batch_rows,
    data_row,
    device_row,
    epoch_rows,
    mapped,
    model_row,
    number_row,
    real,
    switch,
    whole,
)
from preftune.records import BadInput

_FIXED: dict[str, tuple[Any, str]] = {
    "router_aux_loss_coef": (0.001, "The routers of mixtures of experts get no loss of their own."),
    "ld_alpha": (None, 'Answers are not cut to a common length; see logprobs = "mean".'),
    "use_weighting": (False, "Pairs are not weighted by their likelihood; rows have a weight."),
    "discopop_tau": (0.05, "DiscoPOP's loss is not there."),
    "sync_ref_model": (False, "The reference is frozen: its log-probabilities are read once."),
}
"""Field → (the default, what to do instead)."""


def dpo_rows(values: Mapping[str, Any]) -> list[Row]:
    """What becomes of each field of DPO's own and those it shares with the other trainers."""
    rows = [
        model_row(values),
        data_row(values, "train"),
        *batch_rows(values),
        *epoch_rows(values),
        number_row(values, "seed", "seed", int),
        device_row(values),
        *_lengths(values),
        *_losses(values),
        *_divergence(values),
    ]
    for field, (default, reason) in _FIXED.items():
        rows.append(Row(field, "unsupported", reason, lost=values[field] != default))
    synced = bool(values["sync_ref_model"])
    for field in ("ref_model_mixup_alpha", "ref_model_sync_steps"):
        rows.append(Row(field, "unsupported", _FIXED["sync_ref_model"][1], lost=synced))
    if switch(values, "disable_dropout"):
        rows.append(Row("disable_dropout", "ignored", "Dropout is always off here too."))
    else:
        reason = "Dropout is always off: policy and reference must agree at the start."
        rows.append(Row("disable_dropout", "unsupported", reason, lost=True))
    return rows + optimizer_rows(values, ("optimizer",), 0, 1)


def _lengths(values: Mapping[str, Any]) -> list[Row]:
    mode = values["truncation_mode"]
    if mode == "keep_end":
        cut = mapped("truncation_mode", "too_long", "truncate_prompt_left")
    else:
        reason = 'A row that is too long loses the start of its prompt; or set too_long = "skip".'
        cut = Row("truncation_mode", "unsupported", reason, lost=mode != "keep_start")
    if values["max_length"] is None:
        return [cut, Row("max_length", "ignored", "Not set: the model's context is the limit.")]
    return [cut, mapped("max_length", "max_length", whole(values, "max_length"))]


def _losses(values: Mapping[str, Any]) -> list[Row]:
    """The loss with β and its smoothing; a sum with the likelihood of chosen answers is RPO."""
    given = values["loss_type"]
    types = [given] if isinstance(given, str) else given
    if not isinstance(types, list | tuple) or not types:
        raise BadInput(
            f"loss_type = {given!r} cannot be used.", remedy="It must be a name or a list of names."
        )
    main, *more = types
    rows = [_weights(values, more)]
    if main == "ipo":
        reason = "TRL's IPO does not use it."
        loss = Row("loss_type", "mapped", "kind", {"kind": "ipo", "logprobs": "mean"})
        rows += [
            number_row(values, "beta", "tau", float),
            Row("label_smoothing", "ignored", reason),
        ]
        return [*rows, _alone(loss, more, allowed=())]
    rows.append(number_row(values, "beta", "beta", float))
    smoothing = real(values, "label_smoothing")
    if main not in ("sigmoid", "robust", "hinge"):
        reason = "The losses are sigmoid, cdpo, robust, hinge and IPO's: set loss."
        rows.append(Row("label_smoothing", "unsupported", "It belongs to the loss: set it there."))
        return [*rows, Row("loss_type", "unsupported", reason, lost=True)]
    name = "cdpo" if main == "sigmoid" and smoothing else str(main)
    if main == "hinge":
        rows.append(Row("label_smoothing", "ignored", "TRL's hinge loss does not use it."))
    else:
        rows.append(mapped("label_smoothing", "label_smoothing", smoothing))
    return [*rows, _alone(mapped("loss_type", "loss", name), more, allowed=("sft",))]


def _alone(loss: Row, more: list[Any], allowed: tuple[str, ...]) -> Row:
    """The loss, unless it is summed with others than those ``allowed``."""
    if all(other in allowed for other in more) and len(more) <= 1:
        return loss
    reason = "Losses are not summed, but for the likelihood of chosen answers: set rpo_alpha."
    return loss._replace(into="unsupported", text=reason, lost=True)


def _weights(values: Mapping[str, Any], more: list[Any]) -> Row:
    """Of ``[sigmoid, sft]`` the second weight is RPO's α; both are 1 where not given."""
    weights = values["loss_weights"]
    if list(more) != ["sft"]:
        if weights is None:
            return Row("loss_weights", "ignored", "Not set.")
        reason = "A single loss has weight 1; set optimizer.learning_rate."
        return Row("loss_weights", "unsupported", reason, lost=list(weights) != [1.0])
    first, second = [1.0, 1.0] if weights is None else [float(weight) for weight in weights]
    if first == 1.0:
        return mapped("loss_weights", "rpo_alpha", second)
    reason = "DPO's own loss has weight 1: divide both weights by the first, set rpo_alpha."
    return Row("loss_weights", "unsupported", reason, lost=True)


def _divergence(values: Mapping[str, Any]) -> list[Row]:
    if values["f_divergence_type"] == "reverse_kl":
        return [
            Row("f_divergence_type", "ignored", "Reverse KL is what is used here too."),
            Row("f_alpha_divergence_coef", "ignored", "f_divergence_type does not use it."),
        ]
    reason = "The divergence from the reference is the reverse KL."
    return [
        Row("f_divergence_type", "unsupported", reason, lost=True),
        Row("f_alpha_divergence_coef", "unsupported", reason),
    ]
