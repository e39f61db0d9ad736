"""Facts about this machine, for ``preftune doctor``."""

import os
import platform
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import preftune
from preftune.cli.train_extra import INSTALL

OPTIONAL = {
    "torch": ("training, sampling, scoring", INSTALL),
    "transformers": ("models", INSTALL),
    "tokenizers": ("tokenizers", INSTALL),
    "safetensors": ("weights", INSTALL),
    "peft": ("adapters", INSTALL),
    "scikit-learn": ("the TF-IDF baseline", INSTALL),
    "huggingface_hub": ("hub: sources", INSTALL),
    "datasets": ("datasets folders and names", "pip install 'preftune[datasets]'"),
    "tensorboard": ("the TensorBoard sink", "pip install 'preftune[tensorboard]'"),
    "wandb": ("the W&B sink", "pip install 'preftune[wandb]'"),
    "mlflow-skinny": ("the MLflow sink", "pip install 'preftune[mlflow]'"),
    "trackio": ("the Trackio sink", "pip install 'preftune[trackio]'"),
}
"""Distribution → what it is for, and what installs it."""


def look_at_machine(out: Path) -> dict[str, Any]:
    """Versions, cores this process may use, memory, and the disk where runs would go."""
    place = out.expanduser().absolute()
    total, free = _memory()
    return {
        "preftune": preftune.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": _cores(),
        "memory_bytes": total,
        "memory_free_bytes": free,
        "out": str(place),
        "disk_free_bytes": shutil.disk_usage(_existing(place)).free,
    }


def look_at_packages() -> dict[str, dict[str, str | None]]:
    """Each optional package: its version or None, what needs it, what installs it."""
    return {
        name: {"version": _version(name), "needed_for": purpose, "install": install}
        for name, (purpose, install) in OPTIONAL.items()
    }


def look_at_devices() -> dict[str, Any]:
    """What torch can compute on, and whether bfloat16 is done in hardware there."""
    import torch

    from preftune.training import bfloat16_unit

    devices: list[dict[str, Any]] = [
        {"name": "cpu", "description": _processor(), "memory_bytes": None}
    ]
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        devices.append(
            {
                "name": f"cuda:{number}",
                "description": str(found.name),
                "memory_bytes": int(found.total_memory),
            }
        )
    units = {device["name"]: bfloat16_unit(torch.device(device["name"])) for device in devices}
    for device in devices:
        device["bfloat16_unit"] = units[device["name"]]
    return {
        "devices": devices,
        "bfloat16": any(units.values()),
        "precision": precision_advice(units),
        "threads": torch.get_num_threads(),
    }


def precision_advice(units: Mapping[str, str | None]) -> str:
    """The ``precision`` to put into a recipe on this machine, in a sentence."""
    fast = [name for name, unit in units.items() if unit and name != "cpu"]
    if fast:
        return f'precision = "bfloat16" on {fast[0]}'
    if units.get("cpu"):
        return (
            f'precision = "bfloat16" ({units["cpu"]}) for models of about 10 million parameters '
            "and more; float32 for smaller ones"
        )
    return 'precision = "float32": no unit here multiplies bfloat16'


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> tuple[int | None, int | None]:
    """Bytes in all and free for a new process; None where the system does not tell."""
    found = {}
    for line in _lines("/proc/meminfo"):
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            found[name] = int(rest.split()[0]) * 1024
    if "MemTotal" not in found and hasattr(os, "sysconf"):
        names = set(os.sysconf_names)
        if {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= names:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    return found.get("MemTotal"), found.get("MemAvailable")


def _processor() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _existing(place: Path) -> Path:
    return next(folder for folder in (place, *place.parents) if folder.exists())
