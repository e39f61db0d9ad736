"""Stages whose memory is measured: a model of some size, rows of some length, a recipe."""

import os
import subprocess
import sys
from pathlib import Path

from preftune.cli.memory import Need, need_of, network_of_folder
from preftune.data import write_rows
from preftune.models import build_policy, save_model
from preftune.recipe import Architecture, parse_recipe
from tests.models.made import TEXTS, tokenizer


def prepare(folder: Path, shape: Architecture) -> None:
    """A model of 256 tokens' context, and rows that are cut to it, their prompts at other places
    so that none is shared."""
    (folder / "model").mkdir(parents=True)
    save_model(build_policy(shape, tokenizer(), 0), tokenizer(), folder / "model", "a card")
    long = [" ".join(TEXTS[n % 36] for n in range(start, start + 10)) for start in range(8)]
    pairs = [{"prompt": t, "chosen": t[:300], "rejected": t[100:380]} for t in long]
    shown = [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs]
    write_rows(folder / "pairs.jsonl", pairs)
    write_rows(folder / "shown.jsonl", shown)


def predicted(folder: Path, text: str) -> Need:
    settings = parse_recipe(text, [f"data.root={folder}"]).stages.popitem()[1]
    network = network_of_folder(folder / "model")
    assert network is not None
    half = getattr(settings, "precision") == "bfloat16"  # noqa: B009
    need = need_of(settings, network, half)
    assert need is not None
    return need


def measured(folder: Path, text: str) -> int:
    """Bytes of the process at its largest, by the operating system."""
    recipe = folder / "recipe.toml"
    recipe.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "preftune", "run", str(recipe), "--out", str(folder / "run")]
    command += ["--set", f"data.root={folder}", "--json"]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, (folder / "log.txt").read_text()[-2000:]
    return usage.ru_maxrss * 1024


def recipe_of(kind: str, more: str = "") -> str:
    """One stage of two steps, its model and rows those of :func:`prepare`."""
    train = "shown" if kind == "sft" else "pairs"
    return (
        f'kind = "{kind}"\nmodel = "data:model"\ntrain = "data:{train}.jsonl"\nbatch_size = 4\n'
        f"epochs = 1\ncheckpoint_every = 1\n{more}"
    )
