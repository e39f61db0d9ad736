"""Answers criticised and revised by principles, round after round: demonstrations for SFT."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from preftune.artifacts import derive_seed
from preftune.data import load_prompts, to_row, write_rows
from preftune.judging import (
    Constitution,
    NoVerdict,
    Requests,
    load_constitution,
    load_exemplars,
    revise,
    template,
)
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.engines import open_guided, sampling_of
from preftune.recipe.constitutional import CritiqueStage
from preftune.records import BadInput, Prompt
from preftune.rollouts import NativeEngine, as_turns


def run(context: StageContext[CritiqueStage]) -> StageOutcome:
    settings = context.settings
    prompts = load_prompts(context.inputs["prompts"])[: settings.limit]
    constitution = open_constitution(context)
    exemplars = load_exemplars(context.inputs.get("exemplars"))
    requests = _requests(context)
    rng = np.random.default_rng(context.seed_for("principles"))
    write = _Writer(context, open_guided(context, "policy", settings.sampling))
    answers = [completion for completion in write.plain(prompts)]
    if settings.critic is not None:
        write.engine = open_guided(context, "critic", settings.sampling)
    history: list[dict[str, Any]] = [
        to_row(p) | {"answer": a, "rounds": []} for p, a in zip(prompts, answers, strict=True)
    ]
    used: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    with context.console.progress("critique", settings.rounds * len(prompts)) as bar:
        for _ in range(settings.rounds):
            principles = constitution.draw(len(prompts), rng)
            revisions = revise(prompts, answers, principles, write, exemplars, requests)
            for place, revision in enumerate(revisions):
                used[revision.principle] += 1
                changed[revision.principle] += revision.text not in (None, answers[place].strip())
                history[place]["rounds"].append(
                    {
                        "principle": revision.principle,
                        "critique": revision.critique,
                        "revision": revision.text and _led(revision.text, answers[place]),
                    }
                )
            answers = [
                a if r.text is None else _led(r.text, a)
                for r, a in zip(revisions, answers, strict=True)
            ]
            bar.advance(len(prompts))
    write_rows(context.folder / "history.jsonl", history)
    counts = _demonstrations(context, prompts, history)
    tallies = {
        p.id: {"used": used[p.id], "changed": changed[p.id]} for p in constitution.principles
    }
    said = {"constitution": described(constitution), "principles": tallies}
    names = {name: f"{name}.jsonl" for name in ("train", "validation", "history")}
    return StageOutcome(names, counts | said)


def _requests(context: StageContext[CritiqueStage]) -> Requests:
    """The recipe's own words for a critique and a revision, or the package's."""
    own = {
        name: template(str(context.inputs[f"{name}_prompt"]))
        for name in ("critique", "revision")
        if f"{name}_prompt" in context.inputs
    }
    return Requests(**own)


def _led(revision: str, answer: str) -> str:
    """A revision behind the blanks that its answer began with: running text needs them."""
    return answer[: len(answer) - len(answer.lstrip())] + revision


def open_constitution(context: StageContext[Any]) -> Constitution:
    """The stage's principles. Raises :class:`BadInput`."""
    settings = context.settings.constitution
    constitution = whole_constitution(context)
    if settings.about:
        constitution = constitution.about(*settings.about)
    return constitution.without(*settings.without) if settings.without else constitution


def whole_constitution(context: StageContext[Any]) -> Constitution:
    """The file's principles, those that are not drawn from too. Raises :class:`BadInput`."""
    path = context.inputs.get("constitution.file")
    return load_constitution() if path is None else load_constitution(path)


def described(constitution: Constitution) -> dict[str, Any]:
    """Which constitution it was, for the summary."""
    return {
        "name": constitution.name,
        "version": constitution.version,
        "sha256": constitution.sha256,
    }


class _Writer:
    """The policy as a :class:`preftune.judging.Write`; every call has a seed of its own."""

    def __init__(self, context: StageContext[CritiqueStage], engine: NativeEngine) -> None:
        self.engine, self.calls = engine, 0
        self.sampling = context.settings.sampling
        self.seed = context.seed_for("write")

    def __call__(self, prompts: Sequence[Prompt]) -> list[str | NoVerdict]:
        if not prompts:
            return []
        turned = [Prompt(as_turns(prompt.text, self.engine.renderer)) for prompt in prompts]
        return [*self.plain(turned)]

    def plain(self, prompts: Sequence[Prompt]) -> list[str]:
        self.calls += 1
        sampling = sampling_of(self.sampling, self.engine, derive_seed(self.seed, self.calls))
        return [completion.text for completion in self.engine(prompts, sampling)]


def _demonstrations(
    context: StageContext[CritiqueStage], prompts: Sequence[Prompt], history: list[dict[str, Any]]
) -> dict[str, Any]:
    """Writes the revisions that came as demonstrations, split by prompt."""
    settings = context.settings
    order = np.random.default_rng(context.seed_for("split")).permutation(len(prompts)).tolist()
    held = max(round(len(prompts) * settings.validation_fraction), 1)
    parts = {"validation": order[:held], "train": order[held:]}
    counts: dict[str, Any] = {"prompts": len(prompts)}
    for name, places in parts.items():
        rows = [
            row
            for place in sorted(places)
            for row in _rows(prompts[place], history[place], settings.keep)
        ]
        if not rows:
            raise BadInput(
                f"No revision came for the {name} prompts, so there is nothing to learn.",
                remedy="Give more prompts, a better policy, or a larger sampling.max_new_tokens.",
            )
        write_rows(context.folder / f"{name}.jsonl", rows)
        counts[f"{name}_rows"] = len(rows)
    made = [r for row in history for r in row["rounds"]]
    counts["revisions_missing"] = sum(r["revision"] is None for r in made)
    return counts


def _rows(prompt: Prompt, told: dict[str, Any], keep: str) -> list[dict[str, Any]]:
    made = [
        to_row(prompt) | {"completion": r["revision"], "round": n, "principle": r["principle"]}
        for n, r in enumerate(told["rounds"], 1)
        if r["revision"] is not None
    ]
    return made if keep == "all" else made[-1:]
