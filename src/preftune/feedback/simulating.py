"""Simulated labelers at a labelling desk: the same law as ever, one item at a time.

What a labeler answers depends on the seed, the labeler and the item alone, so a run that is stopped
and started again, or whose requests arrive in another order, says the same.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from preftune.feedback.kinds import Question
from preftune.feedback.kinds.comparison import ComparisonQuestion
from preftune.feedback.population import Annotator, Population, draw_pool
from preftune.feedback.simulated_answers import ANSWERS, Sitting
from preftune.feedback.store.nouns import Item
from preftune.records import Axes, BadInput, Completion, Message, Prompt, Score, StopReason


class Desk(Protocol):
    """Where a labeler works: over HTTP, or on the store itself."""

    def take(self) -> tuple[Item, tuple[int, ...], Any] | None:
        """The next item, the order it is shown in, and a slip to answer with; None at the end."""
        ...

    def submit(self, slip: Any, submission_id: str, answer: Mapping[str, Any]) -> str:
        """Sends an answer; ``counted``, ``late`` or ``surplus``."""
        ...


@dataclass(frozen=True, slots=True)
class Simulation:
    """Who labels, by which judge, and from which seed."""

    score: Score
    write: Callable[[Mapping[str, Any], np.random.Generator], str]
    """One text by a prompt's columns, where a kind asks for one."""
    population: Population
    seed: int
    kind: str = "comparison"
    question: Question = ComparisonQuestion()

    @property
    def pool(self) -> tuple[Annotator, ...]:
        """The labelers."""
        return draw_pool(self.population, self.seed)

    def answer(self, person: Annotator, item: Item, order: Sequence[int]) -> dict[str, Any]:
        """An answer of the project's kind. Raises BadInput when the judge cannot judge the item."""
        rng = np.random.default_rng(_fingerprint(self.seed, person.name, item.name))
        texts = tuple(response.text for response in item.responses)
        sitting = Sitting(
            person,
            self.question,
            texts,
            tuple(order),
            lambda given: self._judged(item, given),
            lambda: self.write(item.columns, rng),
            rng,
        )
        if not texts:
            self._judged(item, [""])
        return ANSWERS[self.kind](sitting)

    def _judged(self, item: Item, texts: Sequence[str]) -> list[Axes]:
        found = [axes for axes in self.score([_completion(item, text) for text in texts]) if axes]
        if len(found) < len(texts):
            raise BadInput(
                f'The judge cannot judge the item "{item.name}".',
                remedy="Import items of the judge's own world, with all their columns.",
            )
        return found


def work_through(
    simulation: Simulation, person: Annotator, desk: Desk, limit: int | None = None
) -> dict[str, int]:
    """Answers what the desk gives until it gives no more; how often each status came back."""
    counts: dict[str, int] = {}
    while limit is None or sum(counts.values()) < limit:
        taken = desk.take()
        if taken is None:
            break
        item, order, slip = taken
        name = str(submission_id(simulation.seed, person.name, item))
        status = desk.submit(slip, name, simulation.answer(person, item, order))
        counts[status] = counts.get(status, 0) + 1
    return counts


def submission_id(seed: int, person: str, item: Item) -> str:
    """The UUID of a labeler's answer to an item: the same whenever it is sent again."""
    digest = hashlib.sha256(f"{seed}|{person}|{item.project_id}|{item.name}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _completion(item: Item, text: str) -> Completion:
    asked: Any = item.prompt
    if not isinstance(asked, str):
        asked = tuple(Message(turn["role"], turn["content"]) for turn in asked)
    return Completion(Prompt(asked, item.columns), text, StopReason.EOS, policy_version="")


def _fingerprint(*what: object) -> list[int]:
    digest = hashlib.sha256("\x00".join(map(str, what)).encode()).digest()
    return [int.from_bytes(digest[place : place + 4], "big") for place in range(0, 16, 4)]
