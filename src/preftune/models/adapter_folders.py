"""Adapters on the disk: merged into an ordinary model, or as a PEFT folder that names its base."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, TaskType
from peft.tuners.lora import Linear as LoraLinear
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from preftune.artifacts import hash_path, write_json_atomic
from preftune.models.adapters import adapter_of, belongs, body_of, put_on
from preftune.models.quantized import held_in_four_bits, round_trip
from preftune.models.shared_body import value_head_on
from preftune.records import BadInput

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BASE = "preftune_base.json"
"""Beside an adapter: the sha256 of the folder it was trained on, and which layers of that were
held in four bits meanwhile."""
PREFIX = "base_model.model."


def merged_weights(
    model: PreTrainedModel, device: torch.device | None = None
) -> dict[str, torch.Tensor]:
    """The weights an ordinary model computes the same with: W + alpha / rank · B A.

    Those of adapted layers, which are made here, on ``device`` if one is named.
    """
    name = adapter_of(model) or ""
    weights = {
        key.replace(".base_layer.", "."): tensor
        for key, tensor in model.state_dict().items()
        if ".lora_" not in key
    }
    for path, layer in model.named_modules():
        if isinstance(layer, LoraLinear):
            weight: Any = layer.base_layer.weight
            if name in layer.lora_A:
                weight = weight + layer.get_delta_weight(name)
            weights[f"{path}.weight"] = weight.to(device or weight.device)
    return weights


def save_adapter(model: PreTrainedModel, folder: Path, base: Path) -> None:
    """A PEFT folder: its matrices, a score head where there is one, and where the base lies."""
    name = adapter_of(model)
    tensors = {
        PREFIX + key.replace(f".{name}.", "."): tensor.detach().contiguous().cpu()
        for key, tensor in model.state_dict().items()
        if belongs(key, str(name))
    }
    stored = body_of(model).peft_config[name]  # type: ignore[index]
    assert isinstance(stored, LoraConfig)
    classifies = "score.weight" in model.state_dict()
    LoraConfig(
        task_type=TaskType.SEQ_CLS if classifies else TaskType.CAUSAL_LM,
        base_model_name_or_path=str(base),
        r=stored.r,
        lora_alpha=stored.lora_alpha,
        lora_dropout=stored.lora_dropout,
        target_modules=sorted(stored.target_modules or ()),
        fan_in_fan_out=stored.fan_in_fan_out,
        modules_to_save=["score"] if classifies else None,
        inference_mode=True,
    ).save_pretrained(str(folder))
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(str(folder))
    held = held_in_four_bits(model)
    write_json_atomic(folder / BASE, {"sha256": hash_path(base), "held_in_four_bits": held})


def adapter_config(source: str | Path) -> dict[str, Any] | None:
    """What a PEFT folder says of itself; None for an ordinary folder or a hub name."""
    path = Path(source) / CONFIG
    if not path.is_file():
        return None
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        read = {}
    if not isinstance(read, dict) or not read.get("base_model_name_or_path"):
        raise BadInput(
            "This adapter does not say which model it belongs to.",
            file=path,
            remedy="Put the model's folder under base_model_name_or_path.",
        )
    return read


def base_of(source: str | Path) -> Path:
    """The folder or hub name an adapter belongs to. Raises :class:`BadInput` where it is not the
    model the adapter was trained on."""
    config = adapter_config(source)
    assert config is not None
    base, note = Path(config["base_model_name_or_path"]), _note(source)
    if note:
        if not base.exists():
            raise BadInput(
                "The model this adapter was trained on is not where it was.",
                file=base,
                remedy=f"Put it there, or change base_model_name_or_path in {CONFIG}.",
            )
        if hash_path(base) != note.get("sha256"):
            raise BadInput(
                "This is not the model the adapter was trained on: its content has another hash.",
                file=base,
                remedy="Name the right one under base_model_name_or_path, or remove "
                f"{BASE} to use this one all the same.",
            )
    return base


def is_over(source: str | Path, digest: str | None, policy: PreTrainedModel) -> bool:
    """Whether a folder is an adapter that was trained over the model folder of this hash, with the
    same layers in four bits as the policy's body has."""
    note = _note(source)
    if adapter_config(source) is None or not note:
        return False
    same = note.get("held_in_four_bits", []) == held_in_four_bits(policy)
    return bool(note.get("sha256") == digest and same)


def _note(source: str | Path) -> dict[str, Any]:
    """What stands beside an adapter of ours; nothing beside another's."""
    path = Path(source) / BASE
    read = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    assert isinstance(read, dict)
    return read


def own_config(source: str | Path) -> dict[str, Any]:
    """Settings to load the base with: the configuration beside the adapter, where there is one."""
    if not (Path(source) / "config.json").is_file():
        return {}
    return {"config": AutoConfig.from_pretrained(str(source), trust_remote_code=False)}


def network_over(
    policy: PreTrainedModel, source: str | Path, name: str, trained: bool
) -> PreTrainedModel:
    """The reward model of a PEFT folder over the policy's body, beside the policy's adapter.

    The folder's base must be what the policy was before it got its adapter.
    """
    network = value_head_on(policy, **own_config(source))
    put_on(network, LoraConfig.from_pretrained(str(source)), name, trained)
    stored = load_file(Path(source) / WEIGHTS)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if belongs(key, name):
                parameter.copy_(stored[PREFIX + key.replace(f".{name}.", ".")])
    return network


def merge_from(source: str | Path, base: PreTrainedModel) -> PreTrainedModel:
    """The base with the adapter of a PEFT folder merged into its weights, which are what was held
    of them where the adapter was trained over quantised ones."""
    held = _note(source).get("held_in_four_bits", [])
    for path, layer in body_of(base).named_modules():
        if isinstance(layer, nn.Linear | Conv1D) and path.rpartition(".")[2] in held:
            round_trip(layer)
    try:
        merged = PeftModel.from_pretrained(base, str(source)).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise BadInput(
            f"The adapter cannot be put on its model: {str(error).splitlines()[0].rstrip('.')}.",
            file=source,
            remedy="Name under base_model_name_or_path the model it was trained on.",
        ) from error
    assert isinstance(merged, PreTrainedModel)
    merged.requires_grad_(True)
    return merged
