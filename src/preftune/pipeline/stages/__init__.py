"""One file a kind of stage: inputs → outputs."""

from collections.abc import Callable
from typing import Any

from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.stages import (
    audit,
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
    lessons,
    offline,
    on_policy,
    people,
    pretrain,
    promote,
    rejection_sampling,
    reward_model,
    rule_labels,
    rule_weights,
    select,
    sft,
    soup,
    spin,
    world,
)

STAGES: dict[str, Callable[[StageContext[Any]], StageOutcome]] = {
    "world": world.run,
    "lessons": lessons.run,
    "dataset": dataset.run,
    "select": select.run,
    "pretrain": pretrain.run,
    "sft": sft.run,
    "candidates": candidates.run,
    "label": label.run,
    "people": people.run,
    "critique": critique.run,
    "judge": judge.run,
    "reward_model": reward_model.run,
    **dict.fromkeys(on_policy.STORIES, on_policy.run),
    "rejection_sampling": rejection_sampling.run,
    "ilql": ilql.run,
    **dict.fromkeys(offline.SAID, offline.run),
    "spin": spin.run,
    "evaluate": evaluate.run,
    "audit": audit.run,
    "cross_validate": cross_validate.run,
    "gate": gate.run,
    "gather": gather.run,
    "promote": promote.run,
    "soup": soup.run,
    "rule_labels": rule_labels.run,
    "rule_weights": rule_weights.run,
}
"""What runs a stage of each kind."""
