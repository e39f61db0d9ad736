"""Candidates and rules in; kept or broken for each, by simulated labelers, split by prompt."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from preftune.data import read_rows, to_row, write_rows
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.stages.candidates import read_prompt
from preftune.pipeline.stages.label import SPLITS, split_rows
from preftune.recipe.rule_model import RuleClause, RuleLabelsStage
from preftune.records import BadInput, Completion, StopReason
from preftune.worlds import gold_judge


def run(context: StageContext[RuleLabelsStage]) -> StageOutcome:
    settings = context.settings
    rows = read_rows(context.inputs["candidates"])[: settings.limit]
    parts = split_rows(
        rows,
        settings.test_fraction,
        settings.validation_fraction,
        np.random.default_rng(context.seed_for("split")),
    )
    rng = np.random.default_rng(context.seed_for("labels"))
    broken = dict.fromkeys(settings.rules, 0)
    said: dict[str, Any] = {}
    for name in SPLITS:
        labels = [label for row in parts[name] for label in _labels(context, row, rng)]
        for label in labels:
            broken[label["rule"]] += not label["label"]
        write_rows(context.folder / f"{name}.jsonl", labels)
        said[f"{name}_labels"] = len(labels)
    total = sum(said.values()) / len(settings.rules)
    said["broken"] = {name: count / total for name, count in broken.items()}
    return StageOutcome({name: f"{name}.jsonl" for name in SPLITS}, said)


def _labels(
    context: StageContext[RuleLabelsStage], row: dict[str, Any], rng: np.random.Generator
) -> list[dict[str, Any]]:
    settings = context.settings
    prompt = read_prompt(row)
    texts = list(dict.fromkeys(one["text"] for one in row["completions"] if one["text"].strip()))
    order = rng.permutation(len(texts)).tolist()[: settings.per_prompt]
    judged = gold_judge(settings.world)(
        [Completion(prompt, texts[place], StopReason.EOS, "file") for place in order]
    )
    found = []
    for place, axes in zip(order, judged, strict=True):
        for name, rule in settings.rules.items():
            kept = _kept(rule, axes, name) == (rng.random() < settings.accuracy)
            found.append(
                to_row(prompt)
                | {
                    "completion": texts[place],
                    "label": kept,
                    "rule": name,
                    "rule_text": rule.text,
                }
            )
    return found


def _kept(rule: RuleClause, axes: Mapping[str, float] | None, name: str) -> bool:
    if axes is None or rule.axis not in axes:
        known = ", ".join(axes or {})
        raise BadInput(
            f"The judge has no axis {rule.axis!r} for the rule {name!r}.",
            remedy=f"It has {known}." if known else "Use prompts of the judge's own world.",
        )
    value = axes[rule.axis]
    return value >= rule.least if rule.least is not None else value <= (rule.most or 0.0)
