"""A loaded network made ready for its part in a stage: it learns, or only answers."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.models import (
    adapter_of,
    add_adapter,
    compute_in,
    forget_activations,
    is_over,
    load_policy,
    network_over,
    without_adapter,
)
from preftune.pipeline.context import StageContext
from preftune.recipe import Adapter, Adapting, Computing
from preftune.training import precision_for


def learner(
    context: StageContext[Any], model: PreTrainedModel, name: str = "policy"
) -> PreTrainedModel:
    """The same network, computing as the stage's settings say, its weights or its adapter of this
    name moved by the stage."""
    settings, adapter = computing_of(context), adapter_in(context)
    frozen(context, model)
    if adapter is not None:
        add_adapter(model, adapter, name, context.seed_for("adapter", name))
        nn.Module.to(model, context.device)
    if settings.activation_checkpointing:
        forget_activations(model)
    return model


def reference_of(context: StageContext[Any], policy: PreTrainedModel, role: str) -> PreTrainedModel:
    """The recipe's reference, else the starting policy of ``role``.

    A policy that learns by an adapter is its own reference, read without: no second copy is held.
    """
    source = context.inputs.get("reference", context.inputs[role])
    same = context.hashes.get("reference", context.hashes.get(role)) == context.hashes.get(role)
    if adapter_of(policy) is not None and same:
        return without_adapter(policy)
    return frozen(context, load_policy(source, context.device))


def over_policy(
    context: StageContext[Any], role: str, policy: PreTrainedModel, name: str, trained: bool
) -> PreTrainedModel | None:
    """The reward model of ``role`` as an adapter over the policy's own body.

    None where the policy has no adapter, or where the reward model is another network: a merged
    one, or one that was trained over other weights.
    """
    source = context.inputs[role]
    if adapter_of(policy) is None or not is_over(source, context.hashes.get("policy"), policy):
        return None
    network = network_over(policy, source, name, trained)
    context.console.line(f"{role}: an adapter over the policy's own weights")
    return network


def base_for_saving(context: StageContext[Any], role: str) -> Path | None:
    """The model underneath where the recipe wants the adapter alone; None where it is merged."""
    adapter = adapter_in(context)
    return None if adapter is None or adapter.merge else context.inputs[role]


def frozen(context: StageContext[Any], model: PreTrainedModel) -> PreTrainedModel:
    """The same network, computing in the learner's number format: their passes can be compared."""
    compute_in(model, precision_for(computing_of(context).precision, context.device))
    return model


def adapter_in(context: StageContext[Any]) -> Adapter | None:
    """The adapter that the stage trains; None where it trains all weights, or nothing."""
    settings = computing_of(context)
    return settings.adapter if isinstance(settings, Adapting) else None


def loaded_on(context: StageContext[Any]) -> torch.device:
    """Where the network that learns is read in: beside the processor if it is quantised before it
    goes to the device, which then never holds it whole."""
    adapter = adapter_in(context)
    return torch.device("cpu") if adapter and adapter.quantize else context.device


def computing_of(context: StageContext[Any]) -> Computing:
    """How this stage computes: its own settings, or those of the reward model it trains."""
    settings = context.settings
    if isinstance(settings, Computing):
        return settings
    inner = settings.reward_model
    assert isinstance(inner, Computing)
    return inner
