"""What TRL's drivers share: settings of equal work, a clock at its steps, the curves it logs."""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
import trl

from benchmarks.peers.job import Job
from benchmarks.peers.result import told
from benchmarks.peers.stopwatch import Stopwatch


class Clock(transformers.TrainerCallback):
    """Reads the clock where a trainer says that a step is done."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch
        self.logged: list[dict[str, float]] = []

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        self.watch.begin()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.watch.step()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.logged.append(dict(logs or {}))

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        self.watch.end()

    def curves(self) -> dict[str, list[float]]:
        """Every number by name; the row a trainer logs about the whole run is left out."""
        rows = [row for row in self.logged if "train_runtime" not in row]
        names = sorted({name for row in rows for name in row})
        return {
            name: [float(row[name]) for row in rows if name in row]
            for name in names
            if all(isinstance(row.get(name, 0.0), int | float) for row in rows)
        }


def settings(job: Job, folder: str) -> dict[str, Any]:
    """Arguments of every trainer: the optimizer and steps of the job, nothing else running."""
    return {
        "output_dir": folder,
        "per_device_train_batch_size": job.batch,
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 1,
        "learning_rate": job.learning_rate,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "adam_epsilon": 1e-8,
        "max_grad_norm": 1.0,
        "bf16": job.precision == "bfloat16",
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": job.seed,
        "dataloader_num_workers": 0,
    }


def dataset(job: Job) -> datasets.Dataset:
    return datasets.Dataset.from_list(job.read_rows())


def tokenizer(job: Job) -> Any:
    return transformers.AutoTokenizer.from_pretrained(job.model)


def language_model(job: Job) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(job.model, dtype=torch.float32)


def reward_model(job: Job) -> Any:
    kind = transformers.AutoModelForSequenceClassification
    return kind.from_pretrained(job.reward, dtype=torch.float32, num_labels=1)


def chosen(args: Any) -> dict[str, Any]:
    """A trainer's resolved arguments, without folders and what belongs to a hub."""
    given = args.to_dict()
    plain = {k: v for k, v in given.items() if isinstance(v, bool | int | float | str | None)}
    return {k: v for k, v in plain.items() if not k.endswith(("_dir", "_token")) and "hub" not in k}


Run = Callable[[Job, str, Clock], Mapping[str, Any]]
"""Trains in a folder; returns what it has to say beside clock and curves."""


def main(runs: Mapping[str, Run]) -> None:
    """Reads the job, runs it, writes the result."""
    job, place = Job.read(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(job.threads)
    datasets.disable_progress_bars()
    watch = Stopwatch()
    clock = Clock(watch)
    with tempfile.TemporaryDirectory() as folder:
        more = runs[job.work](job, folder, clock)
    found = told(job, watch, clock.curves()) | dict(more)
    found["versions"] = {m.__name__: m.__version__ for m in (trl, transformers, torch)}
    place.write_text(json.dumps(found, indent=1), encoding="utf-8")
