"""What may be trained on: any opinion but the gold judge's, and several of them added up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from preftune.records import Axes, BadInput, Completion, RunFailed, Score
from preftune.rewards.callable import CallableScore
from preftune.rewards.waiting import wait_for_all

TOTAL = "score"
"""The axis of the sum; every other axis is a part of it, as its giver gave it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A named score and its weight in the sum."""

    name: str
    score: Score
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ComposedScore:
    """Σ weight · part over the parts that apply, as ``score``; each part by its name beside it.

    A part that does not apply to a completion is left out of its sum. Raises
    :class:`RunFailed` naming the row where none applies.
    """

    parts: tuple[Part, ...]

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
        return [self._sum(place, completions, columns) for place in range(len(completions))]

    def _sum(
        self, place: int, completions: Sequence[Completion], columns: Sequence[list[Axes | None]]
    ) -> Axes:
        total, axes = 0.0, {}
        for part, column in zip(self.parts, columns, strict=True):
            value = column[place]
            if value is not None:
                axes[part.name] = value[TOTAL]
                total += part.weight * value[TOTAL]
        if not axes:
            names = ", ".join(part.name for part in self.parts)
            raise RunFailed(
                f"No reward applies to a response to prompt {completions[place].prompt.id!r}: "
                f"{names} all say None.",
                remedy="Take such prompts out, or add a reward that applies to every prompt.",
            )
        return {TOTAL: total, **axes}


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
