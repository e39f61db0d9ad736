"""What a simulated labeler answers, kind by kind, under one law.

u is a response's utility for this labeler (gold plus tastes), T the labeler's temperature, b the
bias to what is shown first, L the lapse rate: the share of answers given without looking.

comparison   P(first shown) = L/2 + (1 - L) sigmoid((u1 - u2)/T + b)
ranking      with 1 - L by u/T + b [shown first] + Gumbel noise, from the largest down (which is
             Plackett-Luce: every pair of it follows the comparison's law), else any order
ratings      low + (high - low) clip(v + T N(0, 1), 0, 1), rounded, v the axis in [0, 1]
thumbs       P(up) = L/2 + (1 - L) sigmoid((u - 1/2)/T)
rule, flags  P(kept), P(not flagged): the same with v, the axis of the judge it is about
steps        P(right): the same with v of the step read alone; of what decides most, honesty
texts        two drafts; the one with the larger u/T + Gumbel noise, for a rewrite the old text too
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preftune.feedback.kinds.comparison import STEPS, ComparisonQuestion
from preftune.feedback.kinds.flags import FlagsQuestion
from preftune.feedback.kinds.ranking import RankingQuestion, dense
from preftune.feedback.kinds.ratings import RatingsQuestion
from preftune.feedback.kinds.rule import RuleQuestion
from preftune.feedback.kinds.steps import StepsQuestion, steps_of
from preftune.feedback.labelers import utility, vote_probability
from preftune.feedback.population import Annotator
from preftune.records import Axes

ABOUT = {"false": "honesty", "harmful": "harmlessness", "rude": "harmlessness"}
"""The judge's axis a fault is about, where it has another name."""
DRAFTS = 2

Judge = Callable[[Sequence[str]], Sequence[Axes]]
"""Texts that answer the item's prompt -> their axes."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """One labeler before one item: ``texts`` in the item's order, ``order[k]`` shown at place k."""

    person: Annotator
    question: Any
    texts: tuple[str, ...]
    order: tuple[int, ...]
    judge: Judge
    write: Callable[[], str]
    rng: np.random.Generator

    @property
    def careless(self) -> bool:
        """Whether this answer is given without looking; one draw."""
        return bool(self.rng.random() < self.person.lapse)

    def good(self, value: float) -> bool:
        """Whether a value in [0, 1] passes for good, by the law of thumbs."""
        lapse = self.person.lapse
        logit = (value - 0.5) / self.person.temperature
        p = lapse / 2 + (1 - lapse) * 0.5 * (1 + math.tanh(logit / 2))
        return bool(self.rng.random() < p)

    def likings(self, texts: Sequence[str]) -> list[float]:
        """u/T plus Gumbel noise of each text: the largest is taken by the law of comparison."""
        noise = self.rng.gumbel(size=len(texts))
        return [
            utility(axes, self.person) / self.person.temperature + float(extra)
            for axes, extra in zip(self.judge(texts), noise, strict=True)
        ]


def axis_of(name: str, axes: Axes) -> float | None:
    """The judge's axis of this name or beginning with it (helpful, helpfulness); None if none."""
    wanted = ABOUT.get(name, name)
    if wanted in axes:
        return axes[wanted]
    return next((axes[one] for one in axes if one.startswith(wanted)), None)


def _comparison(sitting: Sitting) -> dict[str, Any]:
    question: ComparisonQuestion = sitting.question
    person, order = sitting.person, sitting.order
    axes = sitting.judge(sitting.texts)
    first, second = axes[order[0]], axes[order[1]]
    prefers_first = bool(sitting.rng.random() < vote_probability(first, second, person))
    said: dict[str, Any] = {"choice": "ab"[order[0] if prefers_first else order[1]]}
    if question.scale != "2-way":
        gap = abs(utility(first, person) - utility(second, person)) / person.temperature
        said["strength"] = min(1 + int(gap), STEPS[question.scale])
    return said


def _ranking(sitting: Sitting) -> dict[str, Any]:
    careless = sitting.careless
    likings = sitting.likings(sitting.texts)
    if careless:
        likings = sitting.rng.random(len(likings)).tolist()
    else:
        likings[sitting.order[0]] += sitting.person.position_bias
    assert isinstance(sitting.question, RankingQuestion)
    return {"ranks": list(dense([-liking for liking in likings]))}


def _ratings(sitting: Sitting) -> dict[str, Any]:
    question: RatingsQuestion = sitting.question
    given = []
    for axes in sitting.judge(sitting.texts):
        row: dict[str, int | None] = {}
        for axis in question.axes:
            value = axis_of(axis.name, axes)
            value = utility(axes, sitting.person) if value is None else value
            noisy = value + sitting.person.temperature * float(sitting.rng.normal())
            place = float(sitting.rng.random()) if sitting.careless else min(max(noisy, 0.0), 1.0)
            row[axis.name] = axis.low + round((axis.high - axis.low) * place)
        given.append(row)
    return {"ratings": given}


def _thumbs(sitting: Sitting) -> dict[str, Any]:
    (axes,) = sitting.judge(sitting.texts)
    return {"thumb": "up" if sitting.good(utility(axes, sitting.person)) else "down"}


def _rule(sitting: Sitting) -> dict[str, Any]:
    question: RuleQuestion = sitting.question
    (axes,) = sitting.judge(sitting.texts)
    values = {rule.name: axis_of(rule.name, axes) for rule in question.rules}
    return {
        "rules": {
            name: "kept" if sitting.good(axes["gold"] if value is None else value) else "broken"
            for name, value in values.items()
        }
    }


def _flags(sitting: Sitting) -> dict[str, Any]:
    question: FlagsQuestion = sitting.question
    (axes,) = sitting.judge(sitting.texts)
    values = {fault: axis_of(fault, axes) for fault in question.faults}
    return {
        "found": [
            {"fault": fault, "reason": f"{ABOUT.get(fault, fault)} is {value:.2f}"}
            for fault, value in values.items()
            if value is not None and not sitting.good(value)
        ]
    }


def _steps(sitting: Sitting) -> dict[str, Any]:
    question: StepsQuestion = sitting.question
    steps = steps_of(question, sitting.texts[0])
    found = [axis_of("honesty", axes) for axes in sitting.judge(steps)]
    return {"marks": ["right" if sitting.good(value or 0.0) else "wrong" for value in found]}


def _demonstration(sitting: Sitting) -> dict[str, Any]:
    drafts = [sitting.write() for _ in range(DRAFTS)]
    return {"text": drafts[int(np.argmax(sitting.likings(drafts)))]}


def _rewrite(sitting: Sitting) -> dict[str, Any]:
    drafts = [sitting.texts[0], *(sitting.write() for _ in range(DRAFTS))]
    return {"text": drafts[int(np.argmax(sitting.likings(drafts)))]}


ANSWERS: Mapping[str, Callable[[Sitting], dict[str, Any]]] = {
    "comparison": _comparison,
    "ranking": _ranking,
    "ratings": _ratings,
    "thumbs": _thumbs,
    "demonstration": _demonstration,
    "rewrite": _rewrite,
    "steps": _steps,
    "rule": _rule,
    "flags": _flags,
}
"""Every kind of feedback that needs nobody to talk with, by name."""
