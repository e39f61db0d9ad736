"""Runs of a recipe in processes of their own, which can be killed without harm."""

import os
from collections import Counter
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from preftune.cli.entry import invoke
from preftune.monitoring import read_metrics
from preftune.pipeline import front
from preftune.pipeline import summary as summary_module
from preftune.training import Training
from tests.forks import fork

RECIPE = """
title = "Small enough to kill many times"
machine = { threads = 1, device = "cpu" }

[stages.world]
kind = "world"
documents = 120
demonstrations = 40
train_prompts = 24
validation_prompts = 8
test_prompts = 8

[stages.base]
kind = "pretrain"
architecture.family = "gpt2"
architecture.dropout = 0.1
architecture.hidden_size = 32
architecture.layers = 2
architecture.heads = 2
architecture.intermediate_size = 64
architecture.context = 96
vocab_size = 400
data = ["stage:world/documents"]
steps = 9
batch_tokens = 256
log_every = 2
checkpoint_every = 4

[stages.sft]
kind = "sft"
model = "stage:base"
train = "stage:world/demonstrations"
validation = "stage:world/demonstrations_validation"
epochs = 2
batch_size = 10
evaluate_every = 3
checkpoint_every = 3

[stages.candidates]
kind = "candidates"
prompts = "stage:world/prompts_train"
policies.sft = { model = "stage:sft", temperatures = [0.8, 1.2], samples = 2 }
sampling = { max_new_tokens = 8 }

[stages.labels]
kind = "label"
candidates = "stage:candidates"

[stages.reward]
kind = "reward_model"
model = "stage:sft"
train = "stage:labels/train"
validation = "stage:labels/validation"
normalise_on = "stage:world/demonstrations"
batch_size = 4
dropout = 0.1
evaluate_every = 2
checkpoint_every = 2

[stages.ppo]
kind = "ppo"
policy = "stage:sft"
reward_model = "stage:reward"
prompts = "stage:world/prompts_train"
iterations = 4
rollouts = 6
critic_warmup = 1
checkpoint_every = 2
kl = { kind = "adaptive_gain" }
sampling = { max_new_tokens = 8, temperature = 0.7 }
"""

WARM = front
"""Imported here so that children find it imported."""

INTERVALS = {"base": 4, "sft": 3, "reward": 2, "ppo": 2 * 4}
"""Optimizer steps between the checkpoints of each stage that trains."""


def start(
    recipe: Path, out: Path, log: Path, environment: Mapping[str, str], *overrides: str
) -> BaseProcess:
    """``preftune run`` in a child; every optimizer step it does is a line of ``log``."""
    arguments = ["run", str(recipe), "--out", str(out), *(f"--set={o}" for o in overrides)]
    return fork(_work, arguments, log, dict(environment))


def finish(child: BaseProcess) -> int:
    """Its exit code; minus the signal where it was killed."""
    child.join(300)
    hangs = child.exitcode is None
    if hangs:
        child.kill()
        child.join()
    assert child.exitcode is not None and not hangs, "it hangs"
    return child.exitcode


def _work(arguments: list[str], log: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    step = Training.step

    def logging(self: Training, *args: Any, at: int, **kwargs: Any) -> Any:
        with log.open("a") as file:
            file.write(f"{self.seed} {at}\n")
        return step(self, *args, at=at, **kwargs)

    Training.step = logging  # type: ignore[method-assign]
    summary_module.write_report = _report  # its charts take longer than the whole run
    with open(os.devnull, "w") as nowhere, log.with_suffix(".err").open("w") as errors:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        code = invoke(arguments)
    os._exit(code)


def _report(out: Path) -> None:
    (out / "report.html").write_text("a report")


def steps(*logs: Path) -> Counter[str]:
    """How often each optimizer step (stage's seed, place) was begun."""
    return Counter(
        line for log in logs if log.exists() for line in log.read_text().splitlines() if line
    )


def metric_steps(out: Path) -> dict[str, list[int]]:
    """The steps in every stage's metrics.jsonl."""
    return {
        path.parent.name: [row["step"] for row in read_metrics(path)]
        for path in sorted(out.glob("stages/*/metrics.jsonl"))
    }
