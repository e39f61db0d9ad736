"""Simulated labelers at a labelling desk: the same law as ever, one item at a time.

What a labeler answers depends on the seed, the labeler and the pair alone, so a run that is stopped
and started again, or whose requests arrive in another order, says the same.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from preftune.feedback.labelers import utility, vote_probability
from preftune.feedback.population import Annotator, Population, draw_pool
from preftune.feedback.store.nouns import Item
from preftune.records import BadInput, Completion, Message, Prompt, Score, StopReason


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
    population: Population
    seed: int
    scale: str = "7-point"

    @property
    def pool(self) -> tuple[Annotator, ...]:
        """The labelers."""
        return draw_pool(self.population, self.seed)

    def answer(self, person: Annotator, item: Item, order: Sequence[int]) -> dict[str, Any]:
        """A comparison's answer. The strength grows with the gap between the two utilities.

        Raises BadInput when the judge cannot judge the item.
        """
        axes = self.score([_completion(item, place) for place in (0, 1)])
        if axes[0] is None or axes[1] is None:
            raise BadInput(
                f'The judge cannot judge the item "{item.name}".',
                remedy="Import pairs of the judge's own world, with all their columns.",
            )
        first, second = axes[order[0]], axes[order[1]]
        assert first is not None and second is not None
        rng = np.random.default_rng(_fingerprint(self.seed, person.name, item.name))
        prefers_first = bool(rng.random() < vote_probability(first, second, person))
        chosen = order[0] if prefers_first else order[1]
        said: dict[str, Any] = {"choice": "ab"[chosen]}
        if self.scale != "2-way":
            gap = abs(utility(first, person) - utility(second, person)) / person.temperature
            most = 3 if self.scale == "7-point" else 4
            said["strength"] = min(1 + int(gap), most)
        return said


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


def _completion(item: Item, place: int) -> Completion:
    text: Any = item.prompt
    if not isinstance(text, str):
        text = tuple(Message(turn["role"], turn["content"]) for turn in text)
    prompt = Prompt(text, item.columns)
    return Completion(prompt, item.responses[place].text, StopReason.EOS, policy_version="")


def _fingerprint(*what: object) -> list[int]:
    digest = hashlib.sha256("\x00".join(map(str, what)).encode()).digest()
    return [int.from_bytes(digest[place : place + 4], "big") for place in range(0, 16, 4)]
