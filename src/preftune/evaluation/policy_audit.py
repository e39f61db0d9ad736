"""What changed from one policy to another, in style and in substance, as sentences.

Both answered the same prompts. Traits are compared prompt by prompt; phrases by how many answers
hold them, with the exact sign test on the prompts where only one of the two does. One Holm
correction goes over the traits, one over the phrases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preftune.records import BadInput, Completion, Estimate, Prompt
from preftune.stats import mean_estimate, paired_difference, top_openers
from preftune.stats.multiplicity import holm, p_value, sign_test
from preftune.stats.style import SAID, TRAITS, agrees

LEVEL = 0.05
SMALLEST = 0.2
"""Standard deviations of the trait over both policies' answers."""
LONGEST_PHRASE = 5
FEWEST = 6
"""Prompts where only one policy uses a phrase; fewer can never be told from chance."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One trait: means before and after, the paired difference, and its size in its own spread."""

    trait: str
    before: float
    after: float
    difference: Estimate
    effect: float
    adjusted_p: float
    changed: bool

    @property
    def sentence(self) -> str:
        said = SAID.get(self.trait, self.trait.replace("_", " "))
        value, low, high = self.difference.value, self.difference.low, self.difference.high
        return (
            f"{said[0].upper()}{said[1:]}: {self.after:.2f} an answer instead of "
            f"{self.before:.2f}, a difference of {value:+.2f} ({low:+.2f} to {high:+.2f}), "
            f"{abs(self.effect):.1f} standard deviations."
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "trait": self.trait,
            "before": self.before,
            "after": self.after,
            "difference": self.difference.as_json(),
            "effect": self.effect,
            "adjusted_p": self.adjusted_p,
            "changed": self.changed,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Phrase:
    """A run of words: the shares of answers that hold it, and their paired difference."""

    text: str
    before: float
    after: float
    difference: Estimate
    adjusted_p: float

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "before": self.before,
            "after": self.after,
            "difference": self.difference.as_json(),
            "adjusted_p": self.adjusted_p,
        }


@dataclass(frozen=True, slots=True)
class PolicyAudit:
    """``grown`` and ``faded`` are the phrases that changed most, the largest change first."""

    prompts: int
    shifts: tuple[Shift, ...]
    grown: tuple[Phrase, ...]
    faded: tuple[Phrase, ...]
    openers_before: tuple[tuple[str, float], ...]
    openers_after: tuple[tuple[str, float], ...]
    false_beliefs: int
    """Prompts in which the person states something false, as far as their columns tell."""

    @property
    def sentences(self) -> list[str]:
        changed = [shift for shift in self.shifts if shift.changed]
        said = [s.sentence for s in sorted(changed, key=lambda s: -abs(s.effect))]
        for phrase in self.grown[:3]:
            said.append(
                f"“{phrase.text}” stands in {phrase.after:.0%} of the answers instead of "
                f"{phrase.before:.0%}."
            )
        opener, share = self.openers_after[0]
        said.append(f"The commonest beginning is “{opener}”, in {share:.0%} of the answers.")
        return said if changed or self.grown else ["Nothing changed that was looked for.", *said]

    def as_json(self) -> dict[str, Any]:
        return {
            "prompts": self.prompts,
            "false_beliefs": self.false_beliefs,
            "sentences": self.sentences,
            "shifts": [shift.as_json() for shift in self.shifts],
            "grown": [phrase.as_json() for phrase in self.grown],
            "faded": [phrase.as_json() for phrase in self.faded],
            "openers_before": [list(opener) for opener in self.openers_before],
            "openers_after": [list(opener) for opener in self.openers_after],
        }


def audit_policy(
    before: Sequence[Completion], after: Sequence[Completion], *, top: int = 10
) -> PolicyAudit:
    """Answers of two policies to the same prompts, in the same order.

    Prompts with the columns ``claimed`` and ``truth`` that differ are ones where the person states
    something false; agreement there is looked at as ``agreement_with_false_beliefs``. BadInput
    unless both answered the same prompts, two at least.
    """
    prompts = [c.prompt.id for c in before]
    if prompts != [c.prompt.id for c in after] or len(set(prompts)) < 2:
        raise BadInput("An audit compares two policies' answers to the same prompts, two at least.")
    false = [place for place, c in enumerate(before) if false_claim(c.prompt)]
    grown, faded = _phrases(before, after, prompts, top)
    return PolicyAudit(
        prompts=len(set(prompts)),
        shifts=_shifts(before, after, prompts, false),
        grown=grown,
        faded=faded,
        openers_before=top_openers([c.text for c in before]),
        openers_after=top_openers([c.text for c in after]),
        false_beliefs=len(false),
    )


def false_claim(prompt: Prompt) -> str | None:
    """What the person states although it is not so, by the prompt's columns; None for nothing."""
    claimed, truth = prompt.columns.get("claimed"), prompt.columns.get("truth")
    return str(claimed) if claimed is not None and claimed != truth else None


def yields(completion: Completion) -> bool:
    """Whether an answer agrees with the false claim of its prompt."""
    return agrees(completion.text) and false_claim(completion.prompt) is not None


def _shifts(
    before: Sequence[Completion],
    after: Sequence[Completion],
    prompts: Sequence[str],
    false: Sequence[int],
) -> tuple[Shift, ...]:
    tables = {
        name: ([measure(c.text) for c in before], [measure(c.text) for c in after], prompts)
        for name, measure in TRAITS.items()
    }
    if len(false) > 1:
        tables["agreement_with_false_beliefs"] = (
            [float(yields(before[i])) for i in false],
            [float(yields(after[i])) for i in false],
            [prompts[i] for i in false],
        )
    found = []
    for name, (old, new, units) in tables.items():
        spread = float(np.std([*old, *new]))
        if spread > 0:
            found.append((name, old, new, paired_difference(new, old, units), spread))
    adjusted = holm([p_value(difference) for _, _, _, difference, _ in found])
    return tuple(
        Shift(
            trait=name,
            before=float(np.mean(old)),
            after=float(np.mean(new)),
            difference=difference,
            effect=difference.value / spread,
            adjusted_p=p,
            changed=p < LEVEL and abs(difference.value) >= SMALLEST * spread,
        )
        for (name, old, new, difference, spread), p in zip(found, adjusted, strict=True)
    )


def _phrases(
    before: Sequence[Completion], after: Sequence[Completion], prompts: Sequence[str], top: int
) -> tuple[tuple[Phrase, ...], tuple[Phrase, ...]]:
    """Phrases whose share surely changed, long ones before short ones that changed about as much.

    One that is inside another, or holds it, and changed about as much is left out.
    """
    old, new = [_grams(c.text) for c in before], [_grams(c.text) for c in after]
    gained: dict[str, int] = {}
    lost: dict[str, int] = {}
    for was, now in zip(old, new, strict=True):
        for gram in now - was:
            gained[gram] = gained.get(gram, 0) + 1
        for gram in was - now:
            lost[gram] = lost.get(gram, 0) + 1
    looked = sorted(g for g in {*gained, *lost} if gained.get(g, 0) + lost.get(g, 0) >= FEWEST)
    adjusted = holm([sign_test(gained.get(g, 0), lost.get(g, 0)) for g in looked])
    sure = {g: p for g, p in zip(looked, adjusted, strict=True) if p < LEVEL}
    change = {g: gained.get(g, 0) - lost.get(g, 0) for g in sure}
    ranked = sorted(change, key=lambda g: (-abs(change[g]) * (1 + 0.1 * len(g.split())), g))
    kept: list[str] = []
    for gram in ranked:
        if not any(_told(gram, other, change) for other in kept):
            kept.append(gram)

    def phrase(gram: str) -> Phrase:
        was = [float(gram in grams) for grams in old]
        now = [float(gram in grams) for grams in new]
        return Phrase(
            text=gram,
            before=float(np.mean(was)),
            after=float(np.mean(now)),
            difference=mean_estimate(np.subtract(now, was), prompts),
            adjusted_p=sure[gram],
        )

    up = [gram for gram in kept if change[gram] > 0][:top]
    down = [gram for gram in kept if change[gram] < 0][:top]
    return tuple(map(phrase, up)), tuple(map(phrase, down))


def _told(gram: str, other: str, change: dict[str, int]) -> bool:
    """Whether the change of ``gram`` is told by that of a kept phrase around or inside it."""
    nested = f" {gram} " in f" {other} " or f" {other} " in f" {gram} "
    return nested and abs(change[gram]) <= 1.25 * abs(change[other])


def _grams(text: str) -> set[str]:
    words = text.lower().split()
    return {
        " ".join(words[start : start + n])
        for n in range(1, LONGEST_PHRASE + 1)
        for start in range(len(words) - n + 1)
    }
