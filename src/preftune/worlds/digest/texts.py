"""The texts of the world: posts to summarise, demonstrations and pretraining text, from a seed."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from preftune.records import BadInput, Demonstration, Prompt
from preftune.worlds.dice import Dice
from preftune.worlds.digest import phrases as p
from preftune.worlds.digest.facts import CORE, SHARES, Facts, draw_facts, key, part_of
from preftune.worlds.digest.summaries import DEMONSTRATORS, PEOPLE, UNTAMED, note, summary
from preftune.worlds.world import Sizes, WorldData

NOTES = 0.35
"""Share of the documents that are notes; the others are summaries by anyone."""
FILLED = 0.5
"""Chance of a sentence without a fact before and after the story."""

SPLITS: tuple[str, ...] = ("train", "validation", "test")


def generate(sizes: Sizes, seed: int) -> WorldData:
    """All texts of one seed.

    Each kind of text has its own stream of random numbers and its own share of the possible
    stories, so a different number of one kind changes no other, and a longer list begins with the
    shorter one.
    """
    for split in sizes.prompts:
        if split not in SPLITS:
            raise BadInput(
                f'"{split}" is not a split of the digest.', remedy=f"Use {', '.join(SPLITS)}."
            )
    return WorldData(
        prompts={
            split: tuple(prompt for prompt, _ in _draw(split, sizes.prompts.get(split, 0), seed))
            for split in SPLITS
        },
        demonstrations=_demonstrations("demonstrations", sizes.demonstrations, seed),
        demonstrations_validation=_demonstrations(
            "demonstrations_validation", sizes.demonstrations_validation, seed
        ),
        documents=tuple(
            _untamed(prompt, dice) for prompt, dice in _draw("documents", sizes.documents, seed)
        ),
    )


def post(facts: Facts, dice: Dice) -> str:
    """The story as its author tells it: the core first, then each further fact."""
    told = [dice.pick(p.TELLING["core"]).format(**{field: facts[field] for field in CORE})]
    told += [dice.pick(p.TELLING[f]).format(v=facts[f]) for f in facts if f not in CORE]
    if dice.chance(FILLED):
        told.insert(0, dice.pick(p.FILLERS))
    if dice.chance(FILLED):
        told.append(dice.pick(p.FILLERS))
    return " ".join(f"{sentence}." for sentence in told)


def prompt_of(facts: Facts, dice: Dice) -> Prompt:
    """The prompt with its columns, all of them JSON; ``reference`` is a careful person's."""
    text = f"post: {post(facts, dice)}\nsummary:"
    columns: dict[str, Any] = {
        "id": Prompt(text).id,
        "facts": dict(facts),
        "told": len(facts),
        "reference": summary(facts, PEOPLE, dice),
    }
    return Prompt(text, columns)


def _untamed(prompt: Prompt, dice: Dice) -> Demonstration:
    """What stood under a post: anyone's summary, or a note of all that it tells."""
    facts = prompt.columns["facts"]
    head = str(prompt.text).removesuffix("summary:")
    if dice.chance(NOTES):
        return Demonstration(Prompt(head), note(facts, dice))
    return Demonstration(Prompt(head), f"summary:{summary(facts, UNTAMED, dice)}")


def _demonstrations(part: str, count: int, seed: int) -> tuple[Demonstration, ...]:
    return tuple(
        Demonstration(prompt, summary(prompt.columns["facts"], DEMONSTRATORS, dice))
        for prompt, dice in _draw(part, count, seed)
    )


def _draw(part: str, count: int, seed: int) -> Iterator[tuple[Prompt, Dice]]:
    """``count`` prompts of different stories of this part, each with the dice to go on with."""
    if count < 0:
        raise BadInput(f"The number of {part} is {count}.", remedy="Give 0 or more.")
    place = tuple(SHARES).index(part)
    dice = Dice(np.random.default_rng([seed, 1000 + place]))
    seen: set[str] = set()
    while len(seen) < count:
        facts = draw_facts(dice)
        name = key(facts)
        if name in seen or part_of(facts) != part:
            continue
        seen.add(name)
        yield prompt_of(facts, dice), dice
