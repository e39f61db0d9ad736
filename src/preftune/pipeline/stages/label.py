"""Pairs of candidates in random order, judged by simulated labelers, split by prompt."""

from dataclasses import replace
from typing import Any

import numpy as np

from preftune.data import read_rows, to_row, uncollected, write_rows
from preftune.feedback import (
    POPULATIONS,
    Group,
    Population,
    SimulatedLabelers,
    expected_agreement,
    noise_ceiling,
)
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.stages.candidates import read_prompt
from preftune.recipe import LabelStage
from preftune.records import BadInput, VotedPair
from preftune.worlds import gold_judge

SPLITS = ("train", "validation", "test")


def run(context: StageContext[LabelStage]) -> StageOutcome:
    settings = context.settings
    rows = read_rows(context.inputs["candidates"])
    labelers = SimulatedLabelers(
        gold_judge(settings.world), population_of(settings), context.seed_for("labelers")
    )
    parts = split_rows(
        rows,
        settings.test_fraction,
        settings.validation_fraction,
        np.random.default_rng(context.seed_for("split")),
    )
    rng = np.random.default_rng(context.seed_for("pairs"))
    summary: dict[str, Any] = {"labelers": settings.population.name}
    with uncollected(), context.console.progress("label", len(rows)) as bar:
        for name, part in parts.items():
            pairs = [
                pair for row in part for pair in draw_pairs(row, settings.pairs_per_prompt, rng)
            ]
            labelled, probabilities = labelers.labelled(pairs)
            write_rows(context.folder / f"{name}.jsonl", [to_row(pair) for pair in labelled])
            summary |= {
                f"{name}_pairs": len(pairs),
                f"{name}_noise_ceiling": float(noise_ceiling(probabilities.mean(axis=1))),
                f"{name}_expected_agreement": float(expected_agreement(probabilities)),
            }
            bar.advance(len(part))
    return StageOutcome({name: f"{name}.jsonl" for name in parts}, summary)


def population_of(settings: LabelStage) -> Population:
    """The named population with the recipe's changes."""
    wanted = settings.population
    if wanted.name not in POPULATIONS:
        raise BadInput(
            f"There is no population {wanted.name!r}.",
            remedy=f"Known populations: {', '.join(POPULATIONS)}.",
        )
    changes: dict[str, Any] = {
        name: value
        for name in ("annotators", "temperature", "lapse", "position_bias")
        if (value := getattr(wanted, name)) is not None
    }
    if wanted.groups is not None:
        changes["groups"] = tuple(Group(g.name, g.share, dict(g.tastes)) for g in wanted.groups)
    changes["votes_per_pair"] = settings.votes_per_pair
    return replace(POPULATIONS[wanted.name], **changes)


def draw_pairs(
    row: dict[str, Any], most: int, rng: np.random.Generator, *, across: bool = False
) -> list[VotedPair]:
    """At most so many pairs of different texts, which side is shown first drawn at random.

    With ``across``, of different policies only.
    """
    texts = row["completions"]
    order = rng.permutation(len(texts)).tolist()
    pairs = [
        (texts[a], texts[b])
        for place, a in enumerate(order)
        for b in order[place + 1 :]
        if texts[a]["text"].strip() != texts[b]["text"].strip()
        and texts[a]["text"].strip()
        and texts[b]["text"].strip()
        and not (across and texts[a].get("policy") == texts[b].get("policy"))
    ]
    prompt = read_prompt(row)
    return [
        VotedPair(
            prompt=prompt,
            response_a=a["text"],
            response_b=b["text"],
            votes=(),
            columns={**prompt.columns, "source_a": _source(a), "source_b": _source(b)},
        )
        for a, b in pairs[:most]
    ]


def _source(candidate: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in candidate.items() if key != "text"}


def split_rows(
    rows: list[dict[str, Any]],
    test_fraction: float,
    validation_fraction: float,
    rng: np.random.Generator,
    *,
    fewest: int = 1,
) -> dict[str, list[dict[str, Any]]]:
    """Rows of :data:`SPLITS`, a row a prompt, ``fewest`` held out on either side at least.

    Raises :class:`BadInput` for too few.
    """
    order = rng.permutation(len(rows)).tolist()
    shares = (test_fraction, validation_fraction)
    held_out = [max(round(len(rows) * share), fewest) for share in shares]
    if sum(held_out) >= len(rows):
        raise BadInput(
            f"{len(rows)} prompts are too few to hold any out for validation and test.",
            remedy="Sample candidates for more prompts.",
        )
    test, validation = held_out
    cut = {
        "train": order[test + validation :],
        "validation": order[test : test + validation],
        "test": order[:test],
    }
    return {name: [rows[i] for i in sorted(cut[name])] for name in SPLITS}
