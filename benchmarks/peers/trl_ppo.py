"""TRL's PPO, which its releases had up to 1.12.

python -m benchmarks.peers.trl_ppo JOB.json RESULT.json
"""

import os
from collections.abc import Mapping
from typing import Any

import datasets
from trl.experimental.ppo import PPOConfig, PPOTrainer

from benchmarks.peers.job import Job
from benchmarks.peers.scripted_transformers import scripted
from benchmarks.peers.trl_watch import (
    Clock,
    chosen,
    language_model,
    main,
    reward_model,
    settings,
)
from benchmarks.peers.trl_watch import tokenizer as tokenizer_of


def train_ppo(job: Job, folder: str, clock: Clock) -> Mapping[str, Any]:
    if job.precision == "bfloat16":  # its own accelerator does not see the argument bf16
        os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16"
    tokenizer = tokenizer_of(job)
    tokenizer.padding_side = "left"
    rows = [{"input_ids": tokenizer(row["prompt"])["input_ids"]} for row in job.read_rows()]
    args = PPOConfig(
        **settings(job, folder),
        total_episodes=job.batch * job.steps,
        num_ppo_epochs=job.epochs,
        num_mini_batches=1,
        response_length=job.length,
        stop_token="eos",
        temperature=1.0,
        kl_coef=0.05,
        local_rollout_forward_batch_size=job.batch,
        num_sample_generations=0,
        **job.options,
    )
    trainer = PPOTrainer(
        args=args,
        processing_class=tokenizer,
        model=language_model(job),
        ref_model=language_model(job),
        reward_model=reward_model(job),
        value_model=reward_model(job),
        train_dataset=datasets.Dataset.from_list(rows),
        callbacks=[clock],
    )
    with scripted(job):
        trainer.train()
    return {"config": chosen(args)}


if __name__ == "__main__":
    main({"ppo": train_ppo})
