"""Pairs of candidates labelled by a model's own judgment, by a principle each."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preftune.data import load_comparisons, read_rows, to_row, write_rows
from preftune.judging import (
    CACHE,
    Ask,
    HttpJudge,
    Pair,
    PairOpinion,
    Principle,
    Reasoning,
    Template,
    compare,
    labelled,
    template,
    writing,
)
from preftune.models import load_policy, load_tokenizer, renderer_for
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.engines import sampling_of
from preftune.pipeline.stages.critique import described, open_constitution, whole_constitution
from preftune.pipeline.stages.label import SPLITS, draw_pairs, split_rows
from preftune.recipe.constitutional import JudgeStage
from preftune.records import BadInput, Completion, Prompt, RunFailed, Sampling
from preftune.rollouts import NativeChoose, NativeEngine, as_turns
from preftune.stats import share_estimate

BLOCK = 64
"""Pairs asked about between two movements of the progress bar."""


def run(context: StageContext[JudgeStage]) -> StageOutcome:
    settings = context.settings
    rows = read_rows(context.inputs["candidates"])
    constitution = open_constitution(context)
    asked_of = _open(context)
    parts = split_rows(
        rows,
        settings.test_fraction,
        settings.validation_fraction,
        np.random.default_rng(context.seed_for("split")),
    )
    rng = np.random.default_rng(context.seed_for("pairs"))
    said: dict[str, Any] = {}
    asked: list[tuple[str, PairOpinion]] = []
    with context.console.progress("judge", len(rows)) as bar:
        for name in SPLITS:
            drawn = [
                p for row in parts[name] for p in draw_pairs(row, settings.pairs_per_prompt, rng)
            ]
            principles = constitution.draw(len(drawn), rng)
            pairs = [
                Pair(_marked(p.prompt, by), p.response_a, p.response_b, by.comparison)
                for p, by in zip(drawn, principles, strict=True)
            ]
            opinions = [
                opinion
                for start in range(0, len(pairs), BLOCK)
                for opinion in _compare(asked_of, pairs[start : start + BLOCK])
            ]
            _no_failures(opinions)
            asked += [(by.id, opinion) for by, opinion in zip(principles, opinions, strict=True)]
            labels = [to_row(row) for row in labelled(pairs, opinions, judge=asked_of.name)]
            _some(labels, name)
            write_rows(context.folder / f"{name}.jsonl", labels)
            said[f"{name}_pairs"] = len(labels)
            bar.advance(len(parts[name]))
    said |= _measured(asked) | {"constitution": described(constitution)}
    said |= _probed(context, asked_of) | asked_of.told()
    return StageOutcome({name: f"{name}.jsonl" for name in SPLITS}, said)


def _marked(prompt: Prompt, by: Principle) -> Prompt:
    """The prompt with the principle that its pair is compared by, a column of the label."""
    return Prompt(prompt.text, {**prompt.columns, "principle": by.id})


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is asked, with or without reasons first, and what is told of it afterwards."""

    name: str
    ask: Ask
    reasoning: Reasoning | None
    prompt: Template | None
    told: Callable[[], dict[str, Any]]


def _open(context: StageContext[JudgeStage]) -> _Asked:
    settings = context.settings
    own = context.inputs.get("prompt")
    prompt = None if own is None else template(str(own))
    if settings.endpoint is not None:
        http = HttpJudge(settings.endpoint, CACHE)
        clamp = None if settings.reasons is None else settings.reasons.clamp
        reasoning = None if clamp is None else Reasoning(http.write, clamp, **_words(context))
        name = f"{settings.endpoint.model}@{settings.endpoint.base_url}"
        return _Asked(name, http.ask, reasoning, prompt, lambda: {"usage": http.usage.as_json()})
    source = context.inputs["judge"]
    policy = load_policy(source, context.device)
    renderer = renderer_for(policy, load_tokenizer(source), source)
    chooser = NativeChoose(policy, renderer, settings.micro_batch_tokens)
    name = f"{settings.judge}@{context.hashes.get('judge', '')[:16]}"
    reasoning = _reasoning(context, chooser)
    return _Asked(name, chooser.ask, reasoning, prompt, lambda: {"truncated": chooser.truncated})


def _compare(asked_of: _Asked, pairs: Sequence[Pair]) -> list[PairOpinion]:
    return compare(pairs, asked_of.ask, prompt=asked_of.prompt, reasoning=asked_of.reasoning)


def _no_failures(opinions: Sequence[PairOpinion]) -> None:
    """A judge that could not be asked ends the run; what it said is kept, and asked for no more."""
    missing = [o.missing for o in opinions if o.missing is not None]
    failed = [one.detail for one in missing if one.kind == "failed"]
    if failed:
        raise RunFailed(
            f"The judge did not answer for {len(failed)} of {len(opinions)} pairs ({failed[0]}).",
            remedy="Run the same command again; it continues.",
        )


def _reasoning(context: StageContext[JudgeStage], chooser: NativeChoose) -> Reasoning | None:
    wanted = context.settings.reasons
    if wanted is None:
        return None
    engine = NativeEngine(
        chooser.policy, chooser.renderer, "judge", batch_size=wanted.sampling.batch_size
    )

    def generate(prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        return engine([Prompt(as_turns(p.text, chooser.renderer)) for p in prompts], sampling)

    sampling = sampling_of(wanted.sampling, engine, context.seed_for("reasons"))
    return Reasoning(writing(generate, sampling), wanted.clamp, **_words(context))


def _words(context: StageContext[JudgeStage]) -> dict[str, Template]:
    """The recipe's own words for reasons and for the verdict, where it has some."""
    roles = {"reasons": "reasons.prompt", "verdict": "reasons.verdict_prompt"}
    return {
        name: template(str(context.inputs[role]))
        for name, role in roles.items()
        if role in context.inputs
    }


def _some(labels: Sequence[object], name: str) -> None:
    if not labels:
        raise BadInput(
            f"There are no labelled pairs for {name}: the candidates are all alike or unjudged.",
            remedy="Sample candidates for more prompts, at a higher temperature.",
        )


def _measured(asked: Sequence[tuple[str, PairOpinion]]) -> dict[str, Any]:
    """How often both orders agreed, and what each principle did.

    A principle decided where both orders prefer the same response.
    """
    used = Counter(principle for principle, _ in asked)
    decided = Counter(
        principle
        for principle, opinion in asked
        if opinion.consistent and opinion.probability not in (None, 0.5)
    )
    judged = [opinion for _, opinion in asked if opinion.probability is not None]
    return {
        "unclear": len(asked) - len(judged),
        "consistency": sum(bool(o.consistent) for o in judged) / max(len(judged), 1),
        "principles": {p: {"used": used[p], "decided": decided[p]} for p in sorted(used)},
    }


def _probed(context: StageContext[JudgeStage], asked_of: _Asked) -> dict[str, Any]:
    """How often the judge is right on pairs with known answers, by principle and by group."""
    if context.settings.probes is None:
        return {}
    path = context.inputs["probes"]
    questions = {p.id: p.comparison for p in whole_constitution(context).principles}
    rows = load_comparisons(path)
    strange = [row for row in rows if row.columns.get("principle") not in questions]
    if strange:
        raise BadInput(
            f"A probe has the principle {strange[0].columns.get('principle')!r}.",
            file=path,
            remedy=f"The constitution has {', '.join(questions)}.",
        )
    pairs = [
        Pair(row.prompt, row.chosen, row.rejected, questions[row.columns["principle"]])
        for row in rows
    ]
    opinions = _compare(asked_of, pairs)
    right: dict[str, dict[str, list[tuple[bool, str]]]] = {"principle": {}, "group": {}}
    for row, opinion in zip(rows, opinions, strict=True):
        for column, found in right.items():
            if column in row.columns and opinion.probability is not None:
                told = (opinion.probability > 0.5, row.prompt.id)
                found.setdefault(str(row.columns[column]), []).append(told)
    return {
        "probes": {
            column: {
                name: share_estimate(*map(list, zip(*each, strict=True))).as_json()
                for name, each in sorted(found.items())
            }
            for column, found in right.items()
        }
    }
