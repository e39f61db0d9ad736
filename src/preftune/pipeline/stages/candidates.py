"""K completions for each prompt from named policies at their temperatures, provenance kept."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from preftune.data import load_prompts, to_row, write_rows
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.engines import open_guided, open_reward_model, sampling_of
from preftune.pipeline.rule_models import open_rule_model
from preftune.recipe import Candidates
from preftune.records import Completion, Generate, Prompt, Score
from preftune.rewards import RerankScore, training_score
from preftune.rollouts import BestOf


def run(context: StageContext[Candidates]) -> StageOutcome:
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"])[: settings.limit]
    rows: list[dict[str, Any]] = [to_row(prompt) | {"completions": []} for prompt in prompts]
    total = sum(policy.samples for policy in settings.policies.values())
    with context.console.progress("candidates", total * len(prompts)) as bar:
        for start, written in _samples(context, prompts):
            for row, candidates in zip(rows[start:], written, strict=False):
                row["completions"] += candidates
            bar.advance(sum(map(len, written)), written[0][0]["policy"])
    write_rows(context.folder / "candidates.jsonl", rows)
    return StageOutcome(
        {"candidates": "candidates.jsonl"}, {"prompts": len(prompts), "samples": total}
    )


BLOCK = 1024
"""Prompts asked at once; the engine reads each once for all its samples."""


def _samples(
    context: StageContext[Candidates], prompts: Sequence[Prompt]
) -> Iterator[tuple[int, list[list[dict[str, Any]]]]]:
    """The place of a block's first prompt, and the candidates of each of its prompts."""
    settings = context.settings
    for name, policy in settings.policies.items():
        engine = open_guided(context, f"policies.{name}.model", settings.sampling)
        generate: Generate = engine
        if policy.best_of > 1:
            judge: Score = training_score(open_reward_model(context, "reward_model"))
            if settings.rules is not None:
                told = settings.rules.model_copy(update={"how": "sum_log"})
                judge = RerankScore(judge, open_rule_model(context, "rules.model", told))
            generate = BestOf(engine, judge, policy.best_of)
        temperatures = (policy.temperatures * policy.samples)[: policy.samples]
        for temperature, each in Counter(temperatures).items():
            for start in range(0, len(prompts), BLOCK):
                seed = context.seed_for("sample", name, str(temperature), start)
                sampling = sampling_of(settings.sampling, engine, seed)
                asked = [prompt for prompt in prompts[start : start + BLOCK] for _ in range(each)]
                written = [
                    provenance(completion, name, temperature)
                    | ({"best_of": policy.best_of} if policy.best_of > 1 else {})
                    for completion in generate(asked, replace(sampling, temperature=temperature))
                ]
                yield start, [written[at : at + each] for at in range(0, len(written), each)]


def provenance(completion: Completion, policy: str, temperature: float) -> dict[str, Any]:
    """A candidate as it is written: its text and exactly where it came from."""
    return {
        "text": completion.text,
        "policy": policy,
        "policy_version": completion.policy_version,
        "temperature": temperature,
        "stop_reason": str(completion.stop_reason),
    }


def read_prompt(row: dict[str, Any]) -> Prompt:
    """The prompt of a candidates row, with its columns."""
    return Prompt(row["prompt"], {k: v for k, v in row.items() if k != "completions"})
