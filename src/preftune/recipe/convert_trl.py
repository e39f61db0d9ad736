"""A TRL ``PPOConfig``, ``RewardConfig`` or ``DPOConfig`` as a recipe, every field accounted for."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml  # type: ignore[import-untyped]

from preftune.recipe.explain import nearest
from preftune.recipe.load import parse_recipe
from preftune.recipe.toml_text import toml_text
from preftune.recipe.trl_dpo import dpo_rows
from preftune.recipe.trl_fields import DEFAULTS, FOREIGN, IGNORED, UNSUPPORTED
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
    source_of,
    switch,
    whole,
)
from preftune.records import BadInput

Kind = Literal["ppo", "reward", "dpo"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """A recipe, and what became of every field; each field is in exactly one of the three."""

    recipe_toml: str
    """A recipe of one stage; empty where there is no such stage."""
    mapped: dict[str, str]
    """TRL's field → our key."""
    ignored: dict[str, str]
    """Field → why nothing is lost without it."""
    unsupported: dict[str, str]
    """Field → what to do instead."""
    lost: tuple[str, ...]
    """The unsupported fields whose value matters here: say these loudly."""
    notes: tuple[str, ...]
    """What differs although every field was translated."""


def read_trl_config(path: str | Path) -> dict[str, Any]:
    """A configuration file: JSON, or YAML as TRL's command line takes it."""
    path = Path(path)
    if path.suffix not in (".json", ".yaml", ".yml"):
        raise BadInput(
            f"{path.name} is neither JSON nor YAML.",
            file=path,
            remedy="Save the configuration with config.to_json_string().",
        )
    try:
        text = path.read_text(encoding="utf-8")
        read = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise BadInput(
            f"The configuration cannot be read: {error.strerror}.",
            file=path,
            remedy="Check the path.",
        ) from None
    except json.JSONDecodeError as error:
        raise BadInput(
            f"The configuration is not JSON: {error.msg}.",
            file=path,
            line=error.lineno,
            remedy="Correct the line.",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise BadInput(
            "The configuration is not YAML.",
            file=path,
            line=mark.line + 1 if mark else None,
            remedy="Correct the line." if mark else "Save it as UTF-8 text.",
        ) from None
    if not isinstance(read, dict):
        raise BadInput(
            "The configuration is not a table of fields.",
            file=path,
            remedy="Give one field a line, for example learning_rate: 3.0e-6.",
        )
    return {str(field): value for field, value in read.items()}


def convert_trl(kind: Kind, config: Mapping[str, Any]) -> Conversion:
    """``config`` as a recipe. Fields it leaves out have TRL's defaults, not ours.

    Raises :class:`BadInput` for a field TRL does not have and for a value of the wrong type.
    """
    if kind not in DEFAULTS:
        raise BadInput(
            f"There is no TRL configuration of kind {kind!r}.", remedy="Use ppo, reward or dpo."
        )
    given = {field: value for field, value in config.items() if not field.startswith("_")}
    _refuse_unknown(kind, given)
    values = DEFAULTS[kind] | given
    rows = [Row(field, "ignored", reason) for field, reason in IGNORED.items()]
    for field, (default, reason) in UNSUPPORTED.items():
        lost = field in given and given[field] != default
        rows.append(Row(field, "unsupported", reason, lost=lost))
    rows = [row for row in rows if row.field not in FOREIGN[kind]]
    rows += {"ppo": _ppo, "reward": _reward, "dpo": dpo_rows}[kind](values)
    settings: dict[str, Any] = dict(_START[kind])
    for row in rows:
        settings |= row.settings
    text = toml_text(_nested(settings), _COMMENTS)
    parse_recipe(text)
    return _conversion(text, rows, _NOTES[kind])


def _refuse_unknown(kind: Kind, given: Mapping[str, Any]) -> None:
    known = {*DEFAULTS[kind], *IGNORED, *UNSUPPORTED} - FOREIGN[kind]
    for field in given:
        if field not in known:
            near = nearest(field, known)
            raise BadInput(
                f"TRL's {_CLASS[kind]} has no field {field!r}.",
                remedy=f"Did you mean {near!r}?" if near else "Remove it.",
            )


_CLASS = {"ppo": "PPOConfig", "reward": "RewardConfig", "dpo": "DPOConfig"}
_START: dict[str, dict[str, Any]] = {
    # TRL has no iterations in which the critic learns alone.
    "ppo": {"kind": "ppo", "critic_warmup": 0, "kl.kind": "fixed"},
    "reward": {"kind": "reward_model"},
    "dpo": {"kind": "dpo"},
}
_COMMENTS = {
    "prompts": 'Name your file: rows with a "prompt" column.',
    "train": 'Name your file: rows with "prompt", "chosen" and "rejected" columns.',
    "model": "Name your model.",
}
_NAMES = "owner/name is taken to be on the model hub: write ./owner/name for a folder."
_NOTES = {
    "ppo": (
        "TRL's PPO never clips gradients, whatever max_grad_norm says; here they are clipped.",
        "TRL gives the reward after the end-of-sequence token; here it is on that token.",
        "TRL moves the learning rate once an iteration, here it moves at every optimizer step.",
        "world_size, where not given, is taken as one device.",
        _NAMES,
    ),
    "reward": (
        "The batch is that of one device: multiply batch_size by the devices you used.",
        "With validation data named, training stops early and the best step is kept.",
        _NAMES,
    ),
    "dpo": (
        "The batch is that of one device: multiply batch_size by the devices you used.",
        "With validation data named, training stops early and the best step is kept.",
        "A row that is too long loses the start of its prompt; TRL cuts the end of the answer.",
        _NAMES,
    ),
}


def _conversion(text: str, rows: list[Row], notes: tuple[str, ...]) -> Conversion:
    where: dict[str, dict[str, str]] = {"mapped": {}, "ignored": {}, "unsupported": {}}
    for row in sorted(rows, key=lambda row: row.field):
        where[row.into][row.field] = row.text
    lost = tuple(sorted(row.field for row in rows if row.lost))
    return Conversion(text, where["mapped"], where["ignored"], where["unsupported"], lost, notes)


def _ppo(values: Mapping[str, Any]) -> list[Row]:
    rows = [
        mapped("sft_model_path", "policy", source_of(values["sft_model_path"])),
        mapped("reward_model_path", "reward_model", source_of(values["reward_model_path"])),
        data_row(values, "prompts"),
        mapped("whiten_rewards", "whiten_rewards", switch(values, "whiten_rewards")),
        Row("model_name_or_path", "ignored", "TRL's PPO takes the policy from sft_model_path."),
        Row("max_steps", "ignored", "TRL's PPO does not read it; total_episodes decides."),
    ]
    rows += [number_row(values, field, *target) for field, target in _PPO_NUMBERS.items()]
    rows += _ppo_batches(values) + _ppo_endings(values)
    rows.append(_kl_estimator(values))
    iterations = next(
        (row.settings["iterations"] for row in rows if "iterations" in row.settings), 0
    )
    steps = whole(values, "num_ppo_epochs") * whole(values, "num_mini_batches")
    rows += optimizer_rows(values, ("optimizer", "value_optimizer"), iterations, steps)
    rows.append(device_row(values))
    return rows


def _kl_estimator(values: Mapping[str, Any]) -> Row:
    name = values["kl_estimator"]
    if name not in ("k1", "k3"):
        raise BadInput(f"kl_estimator = {name!r} cannot be used.", remedy="TRL has k1 and k3.")
    return mapped("kl_estimator", "kl_estimator", name)


_PPO_NUMBERS: dict[str, tuple[str, type]] = {
    "kl_coef": ("kl.coefficient", float),
    "cliprange": ("cliprange", float),
    "cliprange_value": ("cliprange_value", float),
    "vf_coef": ("vf_coef", float),
    "gamma": ("gamma", float),
    "lam": ("lam", float),
    "num_ppo_epochs": ("epochs", int),
    "num_mini_batches": ("minibatches", int),
    "response_length": ("sampling.max_new_tokens", int),
    "temperature": ("sampling.temperature", float),
    "local_rollout_forward_batch_size": ("sampling.batch_size", int),
    "seed": ("seed", int),
}


def _ppo_batches(values: Mapping[str, Any]) -> list[Row]:
    devices = 1 if values["world_size"] is None else whole(values, "world_size")
    fields = ("per_device_train_batch_size", "gradient_accumulation_steps")
    rollouts = math.prod(whole(values, field) for field in fields) * devices
    rows = [mapped(field, "rollouts", rollouts) for field in (*fields, "world_size")]
    if values["total_episodes"] is None:
        reason = "The iterations depend on the number of prompts: set iterations."
        rows.append(Row("num_train_epochs", "unsupported", reason, lost=True))
        return [*rows, Row("total_episodes", "ignored", "Not set.")]
    iterations = math.ceil(whole(values, "total_episodes") / max(rollouts, 1))
    reason = "total_episodes decides."
    return [
        *rows,
        mapped("total_episodes", "iterations", iterations),
        Row("num_train_epochs", "ignored", reason),
    ]


def _ppo_endings(values: Mapping[str, Any]) -> list[Row]:
    token, token_id = values["stop_token"], values["stop_token_id"]
    rows = []
    if values["missing_eos_penalty"] is None:
        rows.append(mapped("missing_eos_penalty", "missing_eos.kind", "keep"))
    else:
        penalty = real(values, "missing_eos_penalty")
        settings = {"missing_eos.kind": "subtract", "missing_eos.penalty": penalty}
        rows.append(Row("missing_eos_penalty", "mapped", "missing_eos.penalty", settings))
    if token == "eos":
        rows.append(Row("stop_token", "ignored", "Responses always end at end-of-sequence."))
    else:
        reason = "A response ends at end-of-sequence; TRL without stop_token samples on past it."
        lost = token is not None or token_id is None
        rows.append(Row("stop_token", "unsupported", reason, lost=lost))
    reason = "Write the token's text in sampling.stop."
    return [*rows, Row("stop_token_id", "unsupported", reason, lost=token_id is not None)]


def _reward(values: Mapping[str, Any]) -> list[Row]:
    rows = [
        model_row(values),
        data_row(values, "train"),
        *batch_rows(values),
        *epoch_rows(values),
        number_row(values, "seed", "seed", int),
        device_row(values),
    ]
    if values["max_length"] is None:
        rows.append(Row("max_length", "ignored", "Not set: the model's context is the limit."))
    else:
        length = {"max_length": whole(values, "max_length"), "too_long": "skip"}
        rows.append(Row("max_length", "mapped", "max_length", length))
    centre = values["center_rewards_coefficient"]
    centre = 0.0 if centre is None else real(values, "center_rewards_coefficient")
    rows.append(mapped("center_rewards_coefficient", "center", centre))
    if switch(values, "disable_dropout"):
        rows.append(mapped("disable_dropout", "dropout", 0.0))
    else:
        reason = "The body's own dropout is always off; dropout is that of the score's input."
        rows.append(Row("disable_dropout", "unsupported", reason, lost=True))
    return rows + optimizer_rows(values, ("optimizer",), 0, 1)


def _nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as sections."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *parents, last = key.split(".")
        here = nested
        for parent in parents:
            here = here.setdefault(parent, {})
        here[last] = value
    return nested
