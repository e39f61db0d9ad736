"""preftune's side: one stage of a recipe, run as ``preftune run`` runs it.

    python -m benchmarks.peers.ours JOB.json RESULT.json

A dashboard of its own reads the clock whenever the stage writes down a step, and a console tells
where the stage's passes begin. The stage knows nothing of it.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers.job import Job
from benchmarks.peers.phases import timed_phases
from benchmarks.peers.result import told
from benchmarks.peers.scripted_native import scripted
from benchmarks.peers.stopwatch import Stopwatch
from benchmarks.peers.useful import Group, useful_offline, useful_on_policy
from preftune.models import load_tokenizer
from preftune.monitoring import Bar, Console
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import Recipe, toml_text

STAGE = "work"
ONCE = "reference"
"""The name of the pass over all rows that ``dpo`` and ``kto`` make before their first step."""
BARS = {"reward_model": "reward model"}
"""What a stage calls its steps, where it is not its kind."""


class Watched(Console):
    """A silent console that starts and stops the watch at a stage's bars."""

    def __init__(self, watch: Stopwatch, steps: str) -> None:
        super().__init__("silent", StringIO())
        self.watch, self.steps = watch, steps

    @contextmanager
    def progress(self, name: str, total: int | None = None) -> Iterator[Bar]:
        with super().progress(name, total) as bar:
            if name == ONCE:
                with self.watch.once():
                    yield bar
            elif name == self.steps:
                self.watch.begin()
                yield bar
                self.watch.end()
            else:
                yield bar


class Curves:
    """A dashboard that keeps every value and reads the clock."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch
        self.rows: list[dict[str, float]] = []

    def append(self, step: int, values: Mapping[str, float]) -> None:
        self.watch.step()
        self.rows.append(dict(values))

    def close(self) -> None:
        """Nothing is open."""

    def of(self, name: str) -> list[float]:
        return [row[name] for row in self.rows if name in row]


def optimizer(job: Job, clip: float) -> dict[str, Any]:
    return {
        "learning_rate": job.learning_rate,
        "schedule": "constant",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "epsilon": 1e-8,
        "max_grad_norm": clip,
    }


def supervised(job: Job) -> dict[str, Any]:
    """Stages that learn from rows."""
    return {
        "kind": job.work,
        "model": job.reward if job.work == "reward_model" else job.model,
        "train": job.rows,
        "epochs": 1,
        "batch_size": job.batch,
        "max_length": job.length,
        "too_long": "fail",
        "optimizer": optimizer(job, 1.0),
        "checkpoint_every": 10**6,
        "precision": job.precision,
    }


def on_policy(job: Job) -> dict[str, Any]:
    """Stages that learn from what they write."""
    off = {name: {"action": "off"} for name in ("kl", "entropy", "length", "repetition")}
    stage: dict[str, Any] = {
        "kind": job.work,
        "policy": job.model,
        "prompts": job.rows,
        "iterations": job.steps,
        "rollouts": job.batch,
        "samples": job.samples,
        "epochs": job.epochs,
        "minibatches": 1,
        "sampling": {"max_new_tokens": job.length, "temperature": 1.0},
        "kl": {"kind": "fixed", "coefficient": 0.05},
        "missing_eos": {"kind": "keep"},
        "optimizer": optimizer(job, 1.0),
        "checkpoint_every": 10**6,
        "precision": job.precision,
        "guards": off,
    }
    if job.work != "ppo":
        return stage | {"rewards": {"vowels": {"callable": "benchmarks.peers.rewards:vowels"}}}
    unclipped = optimizer(job, 1e9)  # TRL's PPO does not clip gradients
    critic = {"value_optimizer": unclipped, "critic_warmup": 0, "reward_model": job.reward}
    return stage | critic | {"optimizer": unclipped}


def recipe_of(job: Job) -> Recipe:
    stage = on_policy(job) if job.script else supervised(job)
    machine = {"device": "cpu", "threads": job.threads}
    stages = {STAGE: stage | dict(job.options)}
    return Recipe.model_validate({"seed": job.seed, "machine": machine, "stages": stages})


def read_groups(job: Job) -> list[list[Group]]:
    """Lengths of the rows of each step, in no order that matters: prompt, answers."""
    tokenizer = load_tokenizer(job.model)

    def size(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    names = ("completion",) if job.work in ("sft", "kto") else ("chosen", "rejected")
    groups: list[Group] = [
        (size(row["prompt"]), [size(row[name]) + 1 for name in names]) for row in job.read_rows()
    ]
    return [groups[at : at + job.batch] for at in range(0, len(groups), job.batch)]


def phases(job: Job, watch: Stopwatch, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """By phase: seconds of the timed steps, and the useful operations in them."""
    if job.script:
        useful = useful_on_policy(job)
        spent = {name: sum(each[1:]) for name, each in seconds.items()}
    else:
        useful, told = useful_offline(job, read_groups(job)), watch.told()
        spent = {"update": sum(step["wall"] for step in told["steps"][1:])}
        if "reference" in useful:
            spent["reference"] = told["once"]["wall"]
    return {n: {"seconds": s, "useful_flops": useful.get(n, 0)} for n, s in spent.items()}


def main() -> None:
    job, place = Job.read(sys.argv[1]), Path(sys.argv[2])
    watch, recipe = Stopwatch(), recipe_of(job)
    curves = Curves(watch)
    text = toml_text(recipe.model_dump(mode="json"))
    desk = Desk(Watched(watch, BARS.get(job.work, job.work)), (curves,))
    with tempfile.TemporaryDirectory() as folder, scripted(job), timed_phases(job.work) as seconds:
        run_recipe(recipe, text, Path(folder) / "run", desk)
    names = {name for row in curves.rows for name in row}
    found = told(job, watch, {name: curves.of(name) for name in sorted(names)})
    found["phases"] = phases(job, watch, seconds)
    found["versions"] = {"preftune": "this repository", "torch": torch.__version__}
    place.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
