"""What reward models learn from: batch elements of each objective, and what they cost.

An element is what is shuffled and drawn; all its answers are in one micro-batch and each answer
goes through the network once. An objective says how a step's elements are counted, so that a
micro-batch's loss is its share of the whole step's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from transformers import PreTrainedModel

from preftune.models import Batch, Row
from preftune.training import Loss

E = TypeVar("E")
Read = Callable[[PreTrainedModel, Batch, float], torch.Tensor]
Totals = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Pair:
    """A comparison as rows of ids; ``probability`` is the target for ``chosen``.

    ``prompt`` names what it was answered to; only batches of whole prompts look at it. ``safe``
    are the safety labels of chosen and rejected, None where nobody said; ``observed`` the share of
    votes for chosen, whatever is aimed at; ``texts`` the answers a linear model reads.
    """

    chosen: Row
    rejected: Row
    probability: float = 1.0
    margin: float = 0.0
    weight: float = 1.0
    prompt: str = ""
    safe: tuple[float | None, float | None] = (None, None)
    observed: float = 1.0
    texts: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Ranked:
    """Answers to one prompt with their ranks, 1 is best."""

    rows: tuple[Row, ...]
    ranks: tuple[int, ...]
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer with a rating on each axis of the model, None where nobody rated it."""

    row: Row
    ratings: tuple[float | None, ...]
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Stepped:
    """An answer with a label at each response position in ``ends``, None where nobody looked."""

    row: Row
    ends: tuple[int, ...]
    labels: tuple[float | None, ...]
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the network said of each distinct row: a number, one for each axis or each token."""

    table: torch.Tensor
    place: Mapping[Row, int]

    def of(self, rows: Sequence[Row]) -> torch.Tensor:
        return self.table[[self.place[row] for row in rows]]


class Objective(Protocol[E]):
    """How elements are made, counted, read and learned from."""

    @property
    def read(self) -> Read: ...
    def elements(self, examples: Sequence[E]) -> list[list[E]]: ...
    def rows(self, examples: Sequence[E]) -> list[Row]: ...
    def totals(self, elements: Sequence[Sequence[E]]) -> Totals: ...
    def loss(self, elements: Sequence[Sequence[E]], scored: Scored, totals: Totals) -> Loss: ...
    def metrics(self, sums: Mapping[str, float], totals: Totals) -> dict[str, float]: ...
    def held_out(self, examples: Sequence[E], scored: Scored) -> dict[str, float]: ...


def batch_elements(pairs: Sequence[Pair], batching: str) -> list[list[Pair]]:
    """What is shuffled and drawn: each pair alone, or the pairs of each prompt together."""
    if batching == "pairs":
        return [[pair] for pair in pairs]
    prompts: dict[str, list[Pair]] = {}
    for pair in pairs:
        prompts.setdefault(pair.prompt, []).append(pair)
    return list(prompts.values())


def distinct_rows(pairs: Sequence[Pair]) -> list[Row]:
    """Every answer once: the chosen ones, then the rejected ones that were not among them."""
    return list(dict.fromkeys([p.chosen for p in pairs] + [p.rejected for p in pairs]))


def agreement(difference: torch.Tensor) -> torch.Tensor:
    """1 where it is positive, .5 where it is 0, 0 where negative; NaN stays."""
    return torch.where(difference.isnan(), difference, 0.5 * (difference.sign() + 1.0))


def table_of(rows: Sequence[Sequence[float | None]], like: torch.Tensor) -> torch.Tensor:
    """Rows of numbers as a tensor, NaN for None."""
    return like.new_tensor([[math.nan if v is None else v for v in row] for row in rows])


def extremes(given: torch.Tensor) -> dict[str, torch.Tensor]:
    """Sums and extremes of scores; names that end in ``_max`` are not added up."""
    return {"score": given.sum(), "high_max": given.max(), "low_max": -given.min()}


def score_metrics(sums: Mapping[str, float], count: float) -> dict[str, float]:
    """Mean and extremes of ``count`` scores."""
    return {
        "mean_reward": sums["score"] / count,
        "max_reward": sums["high_max"],
        "min_reward": -sums["low_max"],
    }


def measured(loss: Loss, count: float) -> dict[str, float]:
    """A held-out loss, and the share of its ``count`` cases that were right."""
    right = float(loss.sums["correct"]) / count
    return {"eval_accuracy": right, "eval_loss": float(loss.total)}
