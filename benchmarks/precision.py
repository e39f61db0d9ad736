"""What bfloat16 gives: seconds of an optimizer step in float32 and bfloat16, in alternation.

    python benchmarks/precision.py COMPARISONS.jsonl --model FOLDER --batch 16 --rounds 3

Reads comparisons, takes reward-model and DPO steps on the same rows from the same weights in both
number formats, and prints one JSON object: medians with their spread, real tokens a second, peak
memory of the process, and both loss curves. Run nothing else meanwhile, or take ``--clock cpu
--threads 1``: seconds of the processor, which others' work hardly changes.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from preftune.algorithms.dpo import objective as dpo_objective
from preftune.algorithms.offline import PairInputs, grouped, referenced
from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.reward_model import RewardInputs, learn, objective_of
from preftune.data import load
from preftune.models import (
    compute_in,
    load_policy,
    load_tokenizer,
    renderer_for,
    reward_model_from,
)
from preftune.monitoring import Console
from preftune.recipe import DPO, RewardModel
from preftune.records import Comparison
from preftune.training import Journal, Training

CPU = torch.device("cpu")
FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Step = Callable[[int], float]


def pairs_of(args: argparse.Namespace) -> list[Pair]:
    """The first comparisons that fit, whole."""
    policy = load_policy(args.model, CPU)
    renderer = renderer_for(policy, load_tokenizer(args.model), args.model)
    found: list[Pair] = []
    for one in load(Comparison, args.comparisons).records:
        chosen, rejected = (renderer.row(one.prompt, a) for a in (one.chosen, one.rejected))
        if max(len(chosen), len(rejected)) <= args.length:
            found.append(Pair(chosen, rejected))
        if len(found) == args.batch * (args.rounds + 1):
            break
    return found


def reward_step(args: argparse.Namespace, pairs: list[Pair], dtype: torch.dtype) -> Step:
    recipe = RewardModel.model_validate(
        {"model": "m", "train": "t", "batch_size": args.batch, "micro_batch_tokens": args.tokens}
    )
    model = reward_model_from(args.model, CPU, seed=1)
    compute_in(model, dtype)
    inputs = RewardInputs(model, args.pad, pairs, [], [], seed=1)
    objective = objective_of(recipe, model)
    training = Training({"reward": model}, {"reward": recipe.optimizer}, 1000, seed=1)

    def step(at: int) -> float:
        batch = [[pair] for pair in pairs[at * args.batch : (at + 1) * args.batch]]
        return learn(training, inputs, objective, batch, recipe, at)[0].loss

    return step


def dpo_step(args: argparse.Namespace, pairs: list[Pair], dtype: torch.dtype) -> Step:
    recipe = DPO.model_validate(
        {"model": "m", "train": "t", "batch_size": args.batch, "micro_batch_tokens": args.tokens}
    )
    policy, reference = (load_policy(args.model, CPU) for _ in range(2))
    for network in (policy, reference):
        compute_in(network, dtype)
    inputs = PairInputs(policy, pairs, [], seed=1)
    training = Training({"policy": policy}, {"policy": recipe.optimizer}, 1000, seed=1)
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(Path(folder), Console("silent", StringIO()), 10**9) as journal,
    ):
        part, _ = referenced(recipe, inputs, reference, journal)

    def step(at: int) -> float:
        drawn = list(range(at * args.batch, (at + 1) * args.batch))
        groups = grouped(policy, part, drawn, recipe.micro_batch_tokens)
        return training.step(groups, dpo_objective(recipe, inputs, part, drawn), at=at).loss

    return step


def measured(args: argparse.Namespace, pairs: list[Pair], make: Any) -> dict[str, Any]:
    """The first step of each is warm-up and left out."""
    clock = time.perf_counter if args.clock == "wall" else time.process_time
    steps = {name: make(args, pairs, dtype) for name, dtype in FORMATS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    losses: dict[str, list[float]] = {name: [] for name in steps}
    for at in range(args.rounds + 1):
        for name, step in steps.items():
            start = clock()
            losses[name].append(step(at))
            seconds[name].append(clock() - start)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    return {
        "seconds": {name: round(median, 3) for name, median in medians.items()},
        "spread": {n: [round(min(t[1:]), 3), round(max(t[1:]), 3)] for n, t in seconds.items()},
        "pairs_per_second": {n: round(args.batch / median, 2) for n, median in medians.items()},
        "gain": round(medians["float32"] / medians["bfloat16"], 2),
        "losses": {name: [round(loss, 4) for loss in each] for name, each in losses.items()},
    }


def parameters(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparisons", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.pad = int(load_tokenizer(args.model).pad_token_id)
    pairs = pairs_of(args)
    found = {
        "parameters": parameters(load_policy(args.model, CPU)),
        "tokens": sum(len(p.chosen) + len(p.rejected) for p in pairs) // len(pairs),
        "reward_model": measured(args, pairs, reward_step),
        "dpo": measured(args, pairs, dpo_step),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "torch": torch.__version__,
        "threads": args.threads,
        "clock": args.clock,
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
