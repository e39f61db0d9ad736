"""Worlds in which everything about RLHF can be seen and measured without a download."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from preftune.records import BadInput, Score
from preftune.worlds import digest, helpdesk
from preftune.worlds.dice import Dice
from preftune.worlds.world import Sizes, World, WorldData


def _helpdesk_reply(columns: Mapping[str, Any], rng: np.random.Generator) -> str:
    return helpdesk.reply(columns, helpdesk.DEMONSTRATORS, rng).strip()


def _digest_reply(columns: Mapping[str, Any], rng: np.random.Generator) -> str:
    return digest.summary(columns["facts"], digest.DEMONSTRATORS, Dice(rng)).strip()


WORLDS: dict[str, World] = {
    "helpdesk": World(
        make=helpdesk.generate,
        judge=helpdesk.GoldJudge(),
        write=_helpdesk_reply,
        tie_width=helpdesk.TIE_WIDTH,
        max_reply_words=helpdesk.LONGEST,
    ),
    "digest": World(
        make=digest.generate,
        judge=digest.GoldJudge(),
        write=_digest_reply,
        tie_width=digest.TIE_WIDTH,
        max_reply_words=digest.LONGEST,
    ),
}


def world(name: str) -> World:
    """The world of this name; ``BadInput`` naming the known ones otherwise."""
    if name not in WORLDS:
        raise BadInput(
            f'There is no world called "{name}".', remedy=f"Known worlds: {', '.join(WORLDS)}."
        )
    return WORLDS[name]


def generate(
    name: str,
    *,
    prompts: Mapping[str, int],
    demonstrations: int,
    demonstrations_validation: int,
    documents: int,
    seed: int,
) -> WorldData:
    """The texts of a world: ``prompts`` says how many of train, validation and test."""
    sizes = Sizes(prompts, demonstrations, demonstrations_validation, documents)
    return world(name).make(sizes, seed)


def gold_judge(name: str) -> Score:
    """The judge of a world, a ``Score`` of origin gold: for evaluation and simulated labelers."""
    return world(name).judge


__all__ = ["WORLDS", "Sizes", "World", "WorldData", "generate", "gold_judge", "world"]
