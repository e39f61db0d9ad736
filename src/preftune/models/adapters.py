"""Low-rank adapters on a network's linear layers (LoRA, Hu et al. 2021), by PEFT.

Several networks may share one body and have an adapter each: a policy, its value network, the
reward model. A network says which adapter its passes use; one that uses none is the reference. At
rest, between passes, a body has the adapter it got first.
"""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from preftune.models.low_rank import low_rank, quantize_beneath
from preftune.models.precision import autocast_of
from preftune.models.quantized import quantized_layers
from preftune.recipe import Adapter
from preftune.records import BadInput

_USED = "preftune_adapter"
TRAINED = "preftune_trained"
"""On a network: the names of what is trained of it; ``training`` reads it."""
OFF = ""
"""What a network uses that reads without any adapter."""


def add_adapter(model: PreTrainedModel, settings: Adapter, name: str, seed: int) -> PreTrainedModel:
    """The same network with a fresh adapter that changes nothing yet (B = 0), A drawn from
    ``seed``; from now on the adapter, and a score head, are all that is trained of it. Where the
    settings say so the layers beneath are quantised.

    Raises :class:`BadInput` for targets the network has none of, and without bitsandbytes.
    """
    body = body_of(model)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(targets_of(model, settings.targets)),
        fan_in_fan_out=any(isinstance(part, Conv1D) for part in body.modules()),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        put_on(model, config, name, trained=True)
    if settings.quantize:
        quantize_beneath(model)
    return model


def put_on(model: PreTrainedModel, config: LoraConfig, name: str, trained: bool) -> None:
    """An adapter on the model's body, used by this model alone; others on it stay as they are."""
    body = body_of(model)
    before = {parameter: parameter.requires_grad for parameter in body.parameters()}
    first = adapters_in(model) or [name]
    inject_adapter_in_model(low_rank(config), body, adapter_name=name)
    setattr(model, _USED, name)
    own = [key for key, _ in model.named_parameters() if belongs(key, name)]
    setattr(model, TRAINED, frozenset(own if trained else ()))
    for key, parameter in model.named_parameters():
        other = ".lora_" in key and before.get(parameter, False)
        parameter.requires_grad_(trained if key in own else other)
    _select(body, first[0])


def without_adapter(policy: PreTrainedModel) -> PreTrainedModel:
    """The network underneath, in the same memory: what the policy was before it learned."""
    view = copy.copy(policy)
    setattr(view, _USED, OFF)
    return view


def adapter_of(model: PreTrainedModel) -> str | None:
    """The adapter this network's passes use; None for an ordinary network."""
    return getattr(model, _USED, None)


def adapters_in(model: PreTrainedModel) -> list[str]:
    """The adapters on this network's body, in the order they were added."""
    return list(getattr(body_of(model), "peft_config", {}))


def weights_digest(model: PreTrainedModel) -> str:
    """sha256 of the weights a network's passes use, by name; one that reads without its adapter
    has the digest of the network underneath."""
    name, hashed = adapter_of(model), hashlib.sha256()
    for key, parameter in sorted(model.named_parameters()):
        if ".lora_" in key and not (name and f".{name}." in key):
            continue
        content = parameter.detach().cpu().contiguous().view(torch.uint8).numpy()
        hashed.update(f"{key.replace('.base_layer.', '.')} {tuple(parameter.shape)} ".encode())
        hashed.update(content.data)
    for key, layer in sorted(quantized_layers(model).items()):
        content = layer.weight.cpu().numpy()
        hashed.update(f"{key} {content.shape} ".encode())
        hashed.update(content.data)
    return hashed.hexdigest()


@contextmanager
def reading(model: PreTrainedModel) -> Iterator[None]:
    """What every pass through a network stands in: its number format, and its adapter."""
    name = adapter_of(model)
    with autocast_of(model):
        if name is None:
            yield
            return
        layers = tuner_layers(body_of(model))
        before = selection(layers)
        _select(body_of(model), name)
        try:
            yield
        finally:
            restore(layers, before)


Selection = list[tuple[list[str] | str, bool]]


def tuner_layers(part: nn.Module) -> list[BaseTunerLayer]:
    return [layer for layer in part.modules() if isinstance(layer, BaseTunerLayer)]


def selection(layers: list[BaseTunerLayer]) -> Selection:
    """Which adapter each layer uses now. PEFT's own way of choosing one freezes the others."""
    return [(layer._active_adapter, layer._disable_adapters) for layer in layers]


def restore(layers: list[BaseTunerLayer], chosen: Selection) -> None:
    for layer, (active, disabled) in zip(layers, chosen, strict=True):
        layer._active_adapter, layer._disable_adapters = active, disabled


def targets_of(model: PreTrainedModel, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Last names of the layers that get an adapter. Raises :class:`BadInput` for unknown ones."""
    there = {
        name.rpartition(".")[2]
        for name, part in body_of(model).named_modules()
        if isinstance(part, nn.Linear | Conv1D | BaseTunerLayer)
        and ".lora_" not in name
        and not name.endswith(".base_layer")
    }
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise BadInput(
            f"{type(model).__name__} has no linear layer called {unknown[0]!r}.",
            remedy=f"Choose adapter.targets among {', '.join(sorted(there))}, or leave it out.",
        )
    return asked or tuple(sorted(there))


def body_of(model: PreTrainedModel) -> nn.Module:
    body = getattr(model, model.base_model_prefix)
    assert isinstance(body, nn.Module)
    return body


def _select(body: nn.Module, name: str) -> None:
    layers = tuner_layers(body)
    restore(layers, [([name] if name else layer._active_adapter, not name) for layer in layers])


def belongs(key: str, name: str) -> bool:
    """Whether a parameter is part of the adapter: its own matrices, and a score head."""
    return (".lora_" in key and f".{name}." in key) or key.startswith("score.")
