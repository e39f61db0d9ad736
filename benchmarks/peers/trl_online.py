"""TRL without a critic: its RLOO and GRPO trainers, which generate with transformers.

python -m benchmarks.peers.trl_online JOB.json RESULT.json
"""

from collections.abc import Mapping
from typing import Any

import trl

from benchmarks.peers.job import Job
from benchmarks.peers.rewards import vowels
from benchmarks.peers.scripted_transformers import scripted
from benchmarks.peers.trl_watch import Clock, chosen, dataset, language_model, main, settings
from benchmarks.peers.trl_watch import tokenizer as tokenizer_of


def responses(job: Job, folder: str) -> dict[str, Any]:
    """Settings that both trainers have: every iteration answers all prompts once."""
    return settings(job, folder) | {
        "num_generations": job.samples,
        "max_completion_length": job.length,
        "temperature": 1.0,
        "beta": 0.05,
        "num_iterations": job.epochs,
        "shuffle_dataset": False,
        "max_steps": job.steps * job.epochs,
    }


def train(job: Job, trainer: Any, args: Any, clock: Clock) -> Mapping[str, Any]:
    with scripted(job):
        trainer(
            model=language_model(job),
            reward_funcs=vowels,
            args=args,
            train_dataset=dataset(job),
            processing_class=tokenizer_of(job),
            callbacks=[clock],
        ).train()
    return {"config": chosen(args)}


def train_grpo(job: Job, folder: str, clock: Clock) -> Mapping[str, Any]:
    means = {"loss_type": "grpo", "scale_rewards": "group", "use_bias_correction_kl": False}
    return train(
        job,
        trl.GRPOTrainer,
        trl.GRPOConfig(**responses(job, folder), **means, **job.options),
        clock,
    )


def train_rloo(job: Job, folder: str, clock: Clock) -> Mapping[str, Any]:
    args = trl.RLOOConfig(**responses(job, folder), **job.options)
    return train(job, trl.RLOOTrainer, args, clock)


if __name__ == "__main__":
    main({"grpo": train_grpo, "rloo": train_rloo})
