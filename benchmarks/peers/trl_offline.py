"""TRL on rows: its reward model, DPO, KTO and SFT trainers.

python -m benchmarks.peers.trl_offline JOB.json RESULT.json
"""

from collections.abc import Mapping
from typing import Any

import trl

from benchmarks.peers.job import Job
from benchmarks.peers.trl_watch import (
    Clock,
    chosen,
    dataset,
    language_model,
    main,
    reward_model,
    settings,
    tokenizer,
)

IN_ORDER = {"train_sampling_strategy": "sequential"}
"""Rows come in the order of the file, which is the order the other side draws them in."""


def trained(
    trainer: Any, job: Job, model: Any, args: Any, rows: Any, clock: Clock
) -> dict[str, Any]:
    """What every one of these trainers is given."""
    trainer(
        model=model,
        args=args,
        train_dataset=rows,
        processing_class=tokenizer(job),
        callbacks=[clock],
    ).train()
    return {"config": chosen(args)}


def train_reward_model(job: Job, folder: str, clock: Clock) -> Mapping[str, Any]:
    args = trl.RewardConfig(
        **settings(job, folder), **IN_ORDER, max_length=job.length, **job.options
    )
    return trained(trl.RewardTrainer, job, reward_model(job), args, dataset(job), clock)


class Timed:
    """A trainer, with the reference's pass over all rows timed where there is one."""

    clock: Clock

    def _precompute_ref_logps(self, *args: Any, **kwargs: Any) -> Any:
        with self.clock.watch.once():
            return super()._precompute_ref_logps(*args, **kwargs)  # type: ignore[misc]


class TimedDPO(Timed, trl.DPOTrainer):
    pass


class TimedKTO(Timed, trl.KTOTrainer):
    pass


def train_dpo(job: Job, folder: str, clock: Clock) -> Mapping[str, Any]:
    args = trl.DPOConfig(
        **settings(job, folder), **IN_ORDER, max_length=job.length, beta=0.1, **job.options
    )
    TimedDPO.clock = clock
    return trained(TimedDPO, job, language_model(job), args, dataset(job), clock)


def train_kto(job: Job, folder: str, clock: Clock) -> Mapping[str, Any]:
    args = trl.KTOConfig(
        **settings(job, folder), **IN_ORDER, max_length=job.length, beta=0.1, **job.options
    )
    TimedKTO.clock = clock
    return trained(TimedKTO, job, language_model(job), args, dataset(job), clock)


def train_sft(job: Job, folder: str, clock: Clock) -> Mapping[str, Any]:
    """Packed rows are fewer and longer: an optimizer step takes about as many tokens as the
    other side's, and how many of the job's rows those are is told."""
    given, rows = settings(job, folder), dataset(job)
    if job.options.get("packing"):
        texts = [row["prompt"] + row["completion"] for row in rows]
        tokens = sum(len(ids) for ids in tokenizer(job)(texts)["input_ids"])
        given["per_device_train_batch_size"] = max(1, round(tokens / job.steps / job.length))
    args = trl.SFTConfig(**(given | IN_ORDER | {"max_length": job.length} | dict(job.options)))
    told = trained(trl.SFTTrainer, job, language_model(job), args, rows, clock)
    steps = len(clock.watch.marks) - 1
    return told | {"rows_per_step": len(rows) / steps}


if __name__ == "__main__":
    main({"reward_model": train_reward_model, "dpo": train_dpo, "kto": train_kto, "sft": train_sft})
