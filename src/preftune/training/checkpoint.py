"""Checkpoints: weights and optimizer state as safetensors, the rest as JSON. No pickle."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from preftune.artifacts import failpoint, publish_folder, write_json_atomic
from preftune.artifacts.files import disk_errors
from preftune.records import RunFailed
from preftune.training.owned import owned_parameters
from preftune.training.step import Training

KEEP = 2
"""Checkpoints kept; older ones go once a newer one is on the disk."""

Tensors = dict[str, torch.Tensor]


def save_checkpoint(
    folder: Path,
    step: int,
    training: Training,
    state: Mapping[str, Any],
    extra: Tensors,
    keep: int | None = None,
) -> Path:
    """Writes ``folder/step-NNNNNNNN`` under a temporary name, syncs it and renames it.

    Removes all older ones but the last before it and that of step ``keep``.
    """
    final = folder / f"step-{step:08d}"
    partial = folder / f"step-{step:08d}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    failpoint("checkpoint.before_write")
    try:
        with disk_errors(final):
            partial.mkdir(parents=True)
            for name, network in training.networks.items():
                save_file(weights_of(network), partial / f"{name}.safetensors")
            for name, optimizer in training.optimizers.items():
                tensors = _optimizer_tensors(training.networks[name], optimizer)
                save_file(tensors, partial / f"{name}.optimizer.safetensors")
            save_file(extra, partial / "extra.safetensors")
        write_json_atomic(partial / "state.json", {"step": step, "state": dict(state)})
        failpoint("checkpoint.before_rename")
        publish_folder(partial, final)
    except (RunFailed, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, RunFailed):
            raise
        raise RunFailed(
            f"A checkpoint could not be written: {error}.",
            file=final,
            remedy="Free some space and run the same command again; it continues.",
        ) from error
    failpoint("checkpoint.after_rename")
    for old in complete_checkpoints(folder)[:-KEEP]:
        if step_of(old) != keep:
            shutil.rmtree(old)
    return final


def load_checkpoint(path: Path, training: Training) -> tuple[int, dict[str, Any], Tensors]:
    """Puts networks and optimizers back and returns the step, the state and the extra tensors."""
    saved = json.loads((path / "state.json").read_text(encoding="utf-8"))
    for name, network in training.networks.items():
        load_weights(network, load_file(path / f"{name}.safetensors"))
    for name, optimizer in training.optimizers.items():
        tensors = load_file(path / f"{name}.optimizer.safetensors")
        _load_optimizer(training.networks[name], optimizer, tensors)
    return saved["step"], saved["state"], load_file(path / "extra.safetensors")


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints that were published, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.suffix != ".partial")


def step_of(checkpoint: Path) -> int:
    """The step a checkpoint was taken after."""
    return int(checkpoint.name.removeprefix("step-"))


def weights_of(network: nn.Module) -> Tensors:
    """A copy of every parameter that is trained, tied ones once, by name."""
    return {name: p.detach().clone().contiguous() for name, p in owned_parameters(network)}


def load_weights(network: nn.Module, weights: Tensors) -> None:
    """Puts back what :func:`weights_of` gave."""
    with torch.no_grad():
        for name, parameter in owned_parameters(network):
            parameter.copy_(weights[name])


def _optimizer_tensors(network: nn.Module, optimizer: torch.optim.Optimizer) -> Tensors:
    return {
        f"{name}:{key}": tensor.detach().clone().contiguous()
        for name, parameter in owned_parameters(network)
        for key, tensor in optimizer.state.get(parameter, {}).items()
    }


def _load_optimizer(network: nn.Module, optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    parameters = dict(owned_parameters(network))
    for name, tensor in tensors.items():
        owner, _, key = name.rpartition(":")
        parameter = parameters[owner]
        optimizer.state[parameter][key] = tensor.to(parameter.device)
