"""Lessons in judging from the help desk: demonstrations, remarks, probes, and the words asked."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from preftune.artifacts import write_text_atomic
from preftune.data import to_row, write_rows
from preftune.judging import Template, answered, transcript
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.recipe import Lessons
from preftune.records import BadInput, Comparison, Prompt
from preftune.worlds.helpdesk import FAMILIES, TRAITS, Trait, lessons, remark

Row = dict[str, Any]

PARTS = {"train": "demonstrations", "validation": "demonstrations_validation"}
VALIDATION = 0.05
"""As many demonstrations again, as a share, are held out."""


def run(context: StageContext[Lessons]) -> StageOutcome:
    settings = context.settings
    _known(settings)
    taught = lessons.known_traits(settings.taught)
    said: dict[str, Any] = {"taught": list(settings.taught)}
    for name, part in PARTS.items():
        share = 1.0 if name == "train" else VALIDATION
        rows = [
            *_reasons(context, part, round(settings.reasons * share)),
            *_verdicts(context, taught, part, round(settings.verdicts * share)),
            *_remarks(context, part, round(settings.remarks * share)),
            *_mended(context, taught, part, round(settings.revisions * share)),
        ]
        order = np.random.default_rng(context.seed_for("order", name)).permutation(len(rows))
        write_rows(context.folder / f"{name}.jsonl", [rows[i] for i in order.tolist()])
        count = settings.obliging if name == "train" else max(settings.obliging // 10, 20)
        rng = np.random.default_rng(context.seed_for("obliging", name))
        obliging = [to_row(shown) for shown in lessons.obliging(count, part, rng)]
        write_rows(context.folder / f"obliging_{name}.jsonl", obliging)
        said |= {f"{name}_rows": len(rows), f"obliging_{name}_rows": len(obliging)}
    probes = _probes(context, {trait.verb for trait in taught})
    write_rows(context.folder / "probes.jsonl", [to_row(probe) for probe in probes])
    write_text_atomic(context.folder / "constitution.toml", lessons.constitution())
    for name, text in lessons.PROMPTS.items():
        write_text_atomic(context.folder / f"{name}.txt", text)
    rows_of = ("train", "validation", "obliging_train", "obliging_validation", "probes")
    files = {name: f"{name}.jsonl" for name in rows_of}
    files |= {name: f"{name}.txt" for name in lessons.PROMPTS}
    return StageOutcome(
        files | {"constitution": "constitution.toml"}, said | {"probes": len(probes)}
    )


def _known(settings: Lessons) -> None:
    strange = sorted(set(settings.held_out_families) - set(FAMILIES))
    if strange:
        raise BadInput(
            f"The help desk has no family of questions {strange[0]!r}.",
            remedy=f"It has {', '.join(FAMILIES)}.",
        )


def _reasons(context: StageContext[Lessons], part: str, count: int) -> list[Row]:
    """Anyone's two replies to a prompt, and what people say of both."""
    rng = np.random.default_rng(context.seed_for("reasons", part))
    asked = Template("reasons", lessons.PROMPTS["reasons"])
    rows = []
    for one in lessons.replies(count, part, rng):
        prompt = asked.fill(
            conversation=transcript(one.prompt.text), a=one.reply, b=one.other, question=""
        )
        text = lessons.reasons(one.reply, one.other)
        rows.append(_row("reasons", prompt, text, family=one.prompt.columns["family"]))
    return rows


def _remarks(context: StageContext[Lessons], part: str, count: int) -> list[Row]:
    """Anyone's reply, and what people say of it."""
    rng = np.random.default_rng(context.seed_for("remarks", part))
    asked = Template("critique", lessons.PROMPTS["critique"])
    rows = []
    for one in lessons.replies(count, part, rng):
        prompt = asked.fill(conversation=answered(one.prompt, one.reply))
        rows.append(
            _row("critique", prompt, remark(one.reply), family=one.prompt.columns["family"])
        )
    return rows


def _verdicts(
    context: StageContext[Lessons], taught: Sequence[Trait], part: str, count: int
) -> list[Row]:
    rng = np.random.default_rng(context.seed_for("verdicts", part))
    asked = Template("verdict", lessons.PROMPTS["verdict"])
    rows, settings = [], context.settings
    for one in lessons.verdicts(taught, settings.practice, settings.invented, count, rng):
        prompt = asked.fill(question=lessons.question(one.verb), reasons=f" {one.reasons}")
        rows.append(_row("verdict", prompt, one.better, trait=one.verb))
    return rows


def _mended(
    context: StageContext[Lessons], taught: Sequence[Trait], part: str, count: int
) -> list[Row]:
    rng = np.random.default_rng(context.seed_for("mended", part))
    asked = Template("revision", lessons.PROMPTS["revision"])
    rows = []
    for one in lessons.mended(taught, count, part, rng, context.settings.held_out_families):
        prompt = asked.fill(
            conversation=answered(one.prompt, one.reply),
            critique=one.critique,
            request=lessons.request(one.trait)["revision"],
        )
        family = one.prompt.columns["family"]
        rows.append(_row("revision", prompt, one.revision, trait=one.trait.verb, family=family))
    return rows


def _row(
    lesson: str, prompt: Prompt, text: str, *, trait: str | None = None, family: str | None = None
) -> Row:
    return {
        "prompt": prompt.text,
        "completion": f" {text}",
        "lesson": lesson,
        "trait": trait,
        "family": family,
    }


def _probes(context: StageContext[Lessons], taught: set[str]) -> list[Comparison]:
    """Pairs of every principle, the better one by it chosen; the group says what is new in them."""
    rng = np.random.default_rng(context.seed_for("probes"))
    traits = [trait for trait in TRAITS if not trait.praised]
    found = []
    for pair in lessons.compared(traits, context.settings.probes, "validation", rng, ()):
        new = pair.prompt.columns["family"] in context.settings.held_out_families
        principle = "taught" if pair.trait.verb in taught else "new"
        columns = {
            **pair.prompt.columns,
            "principle": pair.trait.verb,
            "group": f"{principle} principle, {'new' if new else 'taught'} family",
        }
        found.append(Comparison(pair.prompt, pair.lacks, pair.shows, columns=columns))
    return found
