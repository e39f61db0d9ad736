"""The texts of the world: prompts, demonstrations and pretraining documents, from a seed."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from preftune.records import BadInput, Demonstration, Prompt
from preftune.worlds.dice import Dice
from preftune.worlds.helpdesk.cards import SHARES, Card, draw_card, key, part_of, render
from preftune.worlds.helpdesk.notes import note
from preftune.worlds.helpdesk.questions import CLASSES, WRITTEN, Question, draw_question
from preftune.worlds.helpdesk.replies import DEMONSTRATORS, UNTAMED, reply
from preftune.worlds.world import Sizes, WorldData

NOTES = 0.35
"""Share of the documents that are notes; the others are transcripts."""

SPLITS: tuple[str, ...] = ("train", "validation", "test")


def generate(sizes: Sizes, seed: int) -> WorldData:
    """All texts of one seed.

    Each kind of text has its own stream of random numbers and its own share of the possible
    cards, so a different number of one kind changes no other, and a longer list begins with the
    shorter one.
    """
    for split in sizes.prompts:
        if split not in SPLITS:
            raise BadInput(
                f'"{split}" is not a split of the help desk.',
                remedy=f"Use {', '.join(SPLITS)}.",
            )
    prompts = {
        split: tuple(prompt for prompt, _ in _draw(split, sizes.prompts.get(split, 0), seed))
        for split in SPLITS
    }
    return WorldData(
        prompts=prompts,
        demonstrations=_demonstrations("demonstrations", sizes.demonstrations, seed),
        demonstrations_validation=_demonstrations(
            "demonstrations_validation", sizes.demonstrations_validation, seed
        ),
        documents=tuple(
            _untamed(prompt, dice) for prompt, dice in _draw("documents", sizes.documents, seed)
        ),
    )


def _untamed(prompt: Prompt, dice: Dice) -> Demonstration:
    """What people wrote under an order card: a question with anyone's answer, or a note."""
    card = prompt.columns["card"]
    head = f"{render(card)}\n"
    if dice.chance(NOTES):
        return Demonstration(Prompt(head), note(card, dice))
    question = str(prompt.text).removeprefix(head)
    return Demonstration(Prompt(head), f"{question}{reply(prompt.columns, UNTAMED, dice)}")


def _demonstrations(part: str, count: int, seed: int) -> tuple[Demonstration, ...]:
    return tuple(
        Demonstration(prompt, reply(prompt.columns, DEMONSTRATORS, dice))
        for prompt, dice in _draw(part, count, seed)
    )


def _draw(part: str, count: int, seed: int) -> Iterator[tuple[Prompt, Dice]]:
    """``count`` prompts on different cards of this part, each with the dice to go on with."""
    if count < 0:
        raise BadInput(f"The number of {part} is {count}.", remedy="Give 0 or more.")
    place = tuple(SHARES).index(part)
    dice = Dice(np.random.default_rng([seed, place]))
    seen: set[str] = set()
    while len(seen) < count:
        card = draw_card(dice)
        name = key(card)
        if name in seen or part_of(card) != part:
            continue
        seen.add(name)
        classes = CLASSES if part in SPLITS else WRITTEN
        yield prompt_of(card, draw_question(card, dice, classes)), dice


def prompt_of(card: Card, question: Question) -> Prompt:
    """The prompt with its columns, all of them JSON."""
    text = f"{render(card)}\ncustomer: {question.text}\nagent:"
    columns: dict[str, Any] = {
        "id": Prompt(text).id,
        "family": question.family,
        "class": question.kind,
        "card": dict(card),
        "asked": question.asked,
        "truth": question.truth,
        "claimed": question.claimed,
        "subject": question.subject,
    }
    return Prompt(text, columns)
