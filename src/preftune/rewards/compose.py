"""What may be trained on: any opinion but the gold judge's, and several of them added up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Protocol

from preftune.recipe.several_objectives import RewardGate
from preftune.records import Axes, BadInput, Completion, RunFailed, Score
from preftune.rewards.callable import CallableScore
from preftune.rewards.waiting import wait_for_all

TOTAL = "score"
"""The axis of the sum; every other axis is a part of it, as its giver gave it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A named score, its weight in the sum, and what it must be, or the sum is another."""

    name: str
    score: Score
    weight: float = 1.0
    gate: RewardGate | None = None


class Combine(Protocol):
    """From the parts' weights and every response's parts to its sum."""

    def __call__(
        self,
        weights: Mapping[str, float],
        axes: Sequence[Axes],
        completions: Sequence[Completion],
    ) -> list[float]: ...


def weighted_sum(
    weights: Mapping[str, float], axes: Sequence[Axes], completions: Sequence[Completion]
) -> list[float]:
    """Σ weight · part over the parts that apply."""
    return [sum(weights[name] * value for name, value in row.items()) for row in axes]


@dataclass(frozen=True, slots=True)
class ComposedScore:
    """Σ weight · part over the parts that apply, as ``score``; each part by its name beside it.

    A part that does not apply to a completion is left out of its sum; ``combine`` may make
    another sum of them. A completion whose part breaks a gate gets the gate's score. Raises
    :class:`RunFailed` naming the row where no part applies.
    """

    parts: tuple[Part, ...]
    combine: Combine = weighted_sum

    @property
    def origin(self) -> str:
        """The part's own, ``mixed`` where they differ, ``gold`` as soon as one is gold."""
        origins = {part.score.origin for part in self.parts}
        if "gold" in origins:
            return "gold"
        return origins.pop() if len(origins) == 1 else "mixed"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        answers = wait_for_all([_ask(part.score, completions) for part in self.parts])
        columns = [
            _read(part.score, answer, completions)
            for part, answer in zip(self.parts, answers, strict=True)
        ]
        axes = [
            self._axes(completion, place, columns) for place, completion in enumerate(completions)
        ]
        weights = {part.name: part.weight for part in self.parts}
        totals = self.combine(weights, axes, completions)
        return [
            {TOTAL: self._gated(total, row), **row} for total, row in zip(totals, axes, strict=True)
        ]

    def _axes(
        self, completion: Completion, place: int, columns: Sequence[list[Axes | None]]
    ) -> dict[str, float]:
        found = {}
        for part, column in zip(self.parts, columns, strict=True):
            value = column[place]
            if value is not None:
                found[part.name] = value[TOTAL]
        if not found:
            names = ", ".join(part.name for part in self.parts)
            raise RunFailed(
                f"No reward applies to a response to prompt {completion.prompt.id!r}: "
                f"{names} all say None.",
                remedy="Take such prompts out, or add a reward that applies to every prompt.",
            )
        return found

    def _gated(self, total: float, row: Axes) -> float:
        """The lowest score of the gates that the row breaks, else its sum."""
        broken = [
            part.gate.score
            for part in self.parts
            if part.gate is not None and part.name in row and breaks(part.gate, row[part.name])
        ]
        return min(broken) if broken else total


def breaks(gate: RewardGate, value: float) -> bool:
    """Whether a part's value is out of its gate's bounds."""
    too_low = gate.least is not None and value < gate.least
    return too_low or (gate.most is not None and value > gate.most)


def training_score(score: Score) -> Score:
    """``score`` itself, unless it is gold: gold measures and never teaches.

    Raises :class:`BadInput`.
    """
    if score.origin == "gold":
        raise BadInput(
            "A gold judge cannot be a reward: it would leave nothing to measure with.",
            remedy="Train a reward model on labels and use that.",
        )
    return score


def part_metrics(axes: Sequence[Axes]) -> dict[str, float]:
    """``rewards/NAME/mean`` and ``rewards/NAME/std`` of each part where it applies, unweighted.

    The standard deviation is the sample's (over count − 1), as TRL has it; 0 of a single value.
    """
    found: dict[str, float] = {}
    for name in dict.fromkeys(name for row in axes for name in row if name != TOTAL):
        values = [row[name] for row in axes if name in row]
        found[f"rewards/{name}/mean"] = fmean(values)
        found[f"rewards/{name}/std"] = stdev(values) if len(values) > 1 else 0.0
    return found


def parts_of(axes: Mapping[str, float]) -> dict[str, float]:
    """The breakdown of one completion's score."""
    return {name: value for name, value in axes.items() if name != TOTAL}


def _ask(score: Score, completions: Sequence[Completion]) -> object:
    return score.ask(completions) if isinstance(score, CallableScore) else score(completions)


def _read(score: Score, answer: object, completions: Sequence[Completion]) -> list[Axes | None]:
    if isinstance(score, CallableScore):
        return score.read(answer, completions)
    assert isinstance(answer, list)
    return answer
