"""K completions for each prompt from named policies at their temperatures, provenance kept."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from preftune.data import load_prompts, to_row, write_rows
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.engines import open_guided, open_reward_model, sampling_of
from preftune.recipe import Candidates
from preftune.records import Completion, Generate, Prompt
from preftune.rewards import training_score
from preftune.rollouts import BestOf


def run(context: StageContext[Candidates]) -> StageOutcome:
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"])[: settings.limit]
    rows: list[dict[str, Any]] = [to_row(prompt) | {"completions": []} for prompt in prompts]
    total = sum(policy.samples for policy in settings.policies.values())
    with context.console.progress("candidates", total * len(prompts)) as bar:
        for written in _samples(context, prompts):
            for row, candidate in zip(rows, written, strict=True):
                row["completions"].append(candidate)
            bar.advance(len(prompts), written[0]["policy"] if written else None)
    write_rows(context.folder / "candidates.jsonl", rows)
    return StageOutcome(
        {"candidates": "candidates.jsonl"}, {"prompts": len(prompts), "samples": total}
    )


def _samples(
    context: StageContext[Candidates], prompts: Sequence[Prompt]
) -> Iterator[list[dict[str, Any]]]:
    """A candidate for every prompt, ``samples`` times from each policy."""
    settings = context.settings
    for name, policy in settings.policies.items():
        engine = open_guided(context, f"policies.{name}.model", settings.sampling)
        generate: Generate = engine
        if policy.best_of > 1:
            judge = training_score(open_reward_model(context, "reward_model"))
            generate = BestOf(engine, judge, policy.best_of)
        for place in range(policy.samples):
            temperature = policy.temperatures[place % len(policy.temperatures)]
            seed = context.seed_for("sample", name, place)
            sampling = sampling_of(settings.sampling, engine, seed)
            written = generate(prompts, replace(sampling, temperature=temperature))
            yield [
                provenance(completion, name, temperature)
                | ({"best_of": policy.best_of} if policy.best_of > 1 else {})
                for completion in written
            ]


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
