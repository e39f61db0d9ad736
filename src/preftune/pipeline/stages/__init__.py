"""One file a kind of stage: inputs → outputs."""

from collections.abc import Callable
from typing import Any

from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.stages import (
    candidates,
    critique,
    cross_validate,
    dataset,
    evaluate,
    gate,
    gather,
    ilql,
    judge,
    label,
    offline,
    on_policy,
    pretrain,
    promote,
    rejection_sampling,
    reward_model,
    sft,
    soup,
    spin,
    world,
)

STAGES: dict[str, Callable[[StageContext[Any]], StageOutcome]] = {
    "world": world.run,
    "dataset": dataset.run,
    "pretrain": pretrain.run,
    "sft": sft.run,
    "candidates": candidates.run,
    "label": label.run,
    "critique": critique.run,
    "judge": judge.run,
    "reward_model": reward_model.run,
    **dict.fromkeys(on_policy.STORIES, on_policy.run),
    "rejection_sampling": rejection_sampling.run,
    "ilql": ilql.run,
    **dict.fromkeys(offline.SAID, offline.run),
    "spin": spin.run,
    "evaluate": evaluate.run,
    "cross_validate": cross_validate.run,
    "gate": gate.run,
    "gather": gather.run,
    "promote": promote.run,
    "soup": soup.run,
}
"""What runs a stage of each kind."""
