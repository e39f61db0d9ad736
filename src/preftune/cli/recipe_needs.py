"""What a recipe needs that may not be here, for ``preftune doctor``. No torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preftune.cli.memory import need_of, networks_of, what_to_change
from preftune.recipe import Architecture, Pretrain, Recipe, load_recipe, sources_of
from preftune.recipe.packaged import find_recipe


def look_at_recipe(
    recipe: str, overrides: Sequence[str], half: bool = False, free: int | None = None
) -> dict[str, Any]:
    """The stages with the parameters of models made from scratch, and sources that are missing.

    Each training stage with the memory it will need at its peak where that can be told, and what
    to change where it is more than the ``free`` bytes. ``half``: ``auto`` is bfloat16 here.
    """
    path = find_recipe(recipe)
    resolved = load_recipe(path, overrides)
    stages: list[dict[str, Any]] = []
    missing: list[dict[str, str]] = []
    hub: list[dict[str, str]] = []
    for name, settings in resolved.stages.items():
        count = None
        if isinstance(settings, Pretrain):
            count = parameters(settings.architecture, settings.vocab_size)
        stages.append({"name": name, "kind": settings.kind, "parameters": count})
        for role, source in sources_of(settings).items():
            if source.stage or source.startswith(("gold:", "store:")):
                continue
            if source.startswith("hub:"):
                hub.append({"stage": name, "role": role, "name": source.removeprefix("hub:")})
            elif not (place := _place(source, resolved)).exists():
                missing.append({"stage": name, "role": role, "path": str(place)})
    return {
        "file": str(path),
        "title": resolved.title,
        "stages": stages,
        "missing": missing,
        "hub": hub,
        "too_large": (large := _memory(resolved, stages, half, free)),
        "ready": not missing and not large,
    }


def _memory(
    recipe: Recipe, stages: list[dict[str, Any]], half: bool, free: int | None
) -> list[dict[str, Any]]:
    """Writes each stage's peak into ``stages``; those that cannot fit, with what to change."""
    made = {stage["name"]: stage["parameters"] for stage in stages if stage["parameters"]}
    networks = networks_of(recipe, made)
    large: list[dict[str, Any]] = []
    for stage in stages:
        settings, network = recipe.stages[stage["name"]], networks.get(stage["name"])
        precision = getattr(settings, "precision", "float32")
        halved = precision == "bfloat16" or (precision == "auto" and half)
        need = None if network is None else need_of(settings, network, halved)
        stage["peak_memory_bytes"] = None if need is None else need.peak
        if need is not None and free is not None and need.peak > free:
            change = what_to_change(settings, need)
            large.append({"stage": stage["name"], "bytes": need.peak, "change": change})
    return large


def parameters(architecture: Architecture, vocabulary: int) -> int:
    """Weights of a model from scratch; embeddings tied, as these configurations are built.

    The vocabulary is the recipe's, an upper bound: little text gives a smaller one.
    """
    width, inner = architecture.hidden_size, architecture.intermediate_size
    if architecture.family == "gpt2":
        layer = 4 * width**2 + 4 * width + 2 * width * inner + inner + width + 4 * width
        outside = (vocabulary + architecture.context) * width + 2 * width
    else:
        layer = 4 * width**2 + 3 * width * inner + 2 * width
        if architecture.family == "qwen3":
            layer += 2 * (width // architecture.heads)
        outside = vocabulary * width + width
    return architecture.layers * layer + outside


def _place(source: str, recipe: Recipe) -> Path:
    if source.startswith("data:"):
        return Path(recipe.data.root or ".").expanduser() / source.removeprefix("data:")
    return Path(source).expanduser()
