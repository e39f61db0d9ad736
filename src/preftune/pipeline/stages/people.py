"""Pairs put before people in a label store; the run waits until enough of them are judged."""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from preftune.artifacts import Parent, hash_path, hash_value
from preftune.data import load, read_rows, to_row, write_rows
from preftune.data.recorded import text_cell
from preftune.feedback.store import items, progress, projects
from preftune.feedback.store.datasets import freeze
from preftune.feedback.store.engine import Store, open_store
from preftune.feedback.store.faults import Unknown
from preftune.feedback.store.nouns import NewItem, Project, ProjectSettings, Response
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.gates import agreement
from preftune.pipeline.stages.label import draw_pairs, split_rows
from preftune.recipe import People
from preftune.recipe.gate import AgreementCheck
from preftune.records import BadInput, VotedPair, Waiting

JUDGMENTS = "judgments.jsonl"
ACTOR = "preftune run"


def run(context: StageContext[People]) -> StageOutcome:
    """Raises :class:`Waiting` until the conditions are met."""
    settings = context.settings
    asked = _pairs(context)
    names = {item.id for _, item in asked}
    with closing(_open(settings)) as store:
        project = _project(store, settings)
        added = items.add(store, project.id, [item for _, item in asked], actor=ACTOR)
        if added:
            context.console.line(f"{added} pairs put before people in project {project.name}")
        done = progress.items_done(store, project.id, names)
        needed = int(np.ceil(settings.judged_at_least * len(names)))
        if len(done) < needed:
            raise _waiting(context, f"{len(done)} of {needed} pairs are judged", done, names)
        written = context.folder / JUDGMENTS
        about = freeze(store, project.name, written, how="votes")
    votes = [pair for pair in load(VotedPair, written).records if pair.columns.get("item") in names]
    found = {name: [p for p in votes if p.columns["item"] in part] for name, part in _parts(asked)}
    summary: dict[str, Any] = {
        "project": project.name,
        "watermark": about["watermark"],
        "pairs_asked": len(names),
        "pairs_judged": len(votes),
        "votes": sum(len(pair.votes) for pair in votes),
    }
    if settings.agreement_at_least is not None:
        check = AgreementCheck(
            labels=settings.candidates, at_least=settings.agreement_at_least, by="interval"
        )
        finding = agreement("agreement", check, votes)
        summary["agreement"] = finding.value.as_json()
        if not finding.passed:
            raise _waiting(context, finding.sentence, done, names)
    for name, pairs in found.items():
        write_rows(context.folder / f"{name}.jsonl", [to_row(pair) for pair in pairs])
        summary[f"{name}_pairs"] = len(pairs)
    place = context.folder.name.removesuffix(".partial")
    said = Parent("judgments", None, f"stages/{place}/{JUDGMENTS}", hash_path(written))
    outputs = {name: f"{name}.jsonl" for name in found} | {"votes": JUDGMENTS}
    return StageOutcome(outputs, summary, consumed=(said,))


Asked = tuple[str, NewItem]
"""The side of the split, and the pair as people are asked about it."""


def _pairs(context: StageContext[People]) -> list[Asked]:
    """The same pairs under the same names whenever the stage runs."""
    settings = context.settings
    rows = read_rows(context.inputs["candidates"])
    rng = np.random.default_rng(context.seed_for("pairs"))
    parts = split_rows(
        rows,
        settings.test_fraction,
        settings.validation_fraction,
        np.random.default_rng(context.seed_for("split")),
        fewest=0,
    )
    found: dict[str, Asked] = {}
    for side, part in parts.items():
        for row in part:
            for pair in draw_pairs(row, settings.pairs_per_prompt, rng, across=settings.across):
                item = _item(pair)
                found.setdefault(item.id, (side, item))
    if not found:
        raise BadInput(
            "No prompt has two different answers to compare.",
            remedy="Sample more candidates a prompt, or at a higher temperature.",
        )
    return list(found.values())


def _item(pair: VotedPair) -> NewItem:
    columns = dict(pair.columns)
    sources = [columns["source_a"], columns["source_b"]]
    texts = [pair.response_a, pair.response_b]
    prompt = text_cell(pair.prompt.text)
    name = hash_value([prompt, texts, [source.get("policy_version") for source in sources]])[:24]
    responses = [
        Response(text, source.get("policy"), {"temperature": source.get("temperature")})
        for text, source in zip(texts, sources, strict=True)
    ]
    known = {key: value for key, value in columns.items() if key != "prompt"}
    return NewItem(name, prompt, responses, columns=known)


def _parts(asked: Sequence[Asked]) -> list[tuple[str, set[str]]]:
    sides: dict[str, set[str]] = {"train": set(), "validation": set(), "test": set()}
    for side, item in asked:
        sides[side].add(item.id)
    return [(side, names) for side, names in sides.items() if names]


def _open(settings: People) -> Store:
    url = os.environ.get(settings.store)
    if not url:
        raise BadInput(
            f"The environment variable {settings.store} is not set.",
            remedy="It holds the label store's file or URL; "
            f"export {settings.store}=labels.db makes one.",
        )
    return open_store(url, create=True)


def _project(store: Store, settings: People) -> Project:
    try:
        found = projects.named(store, settings.project)
    except Unknown:
        made = ProjectSettings(
            name=settings.project,
            kind="comparison",
            question={"scale": settings.scale},
            title=settings.title,
            instructions=settings.instructions,
            overlap=settings.votes_per_pair,
            gold_fraction=0.0,
        )
        return projects.create(store, made, actor=ACTOR)
    if found.kind != "comparison" or found.overlap < settings.votes_per_pair:
        raise BadInput(
            f"The project {found.name} is of kind {found.kind} with {found.overlap} votes a pair.",
            remedy="Name another project, or set votes_per_pair to what it has.",
        )
    return found


def _waiting(context: StageContext[People], why: str, done: set[str], names: set[str]) -> Waiting:
    settings = context.settings
    facts: Mapping[str, Any] = {
        "stage": context.name,
        "project": settings.project,
        "store": settings.store,
        "judged": len(done),
        "asked": len(names),
    }
    return Waiting(
        f"Stage {context.name} waits for people: {why} in project {settings.project}.",
        remedy=f'Let them work (preftune label serve "${settings.store}"), then run the same '
        "command again.",
        facts=facts,
    )
