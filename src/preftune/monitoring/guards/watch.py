"""All guards over one history, and what became of them in a whole stage."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from preftune.monitoring.guards import policy, responses, scores
from preftune.monitoring.guards.verdict import LEVELS, History, Verdict
from preftune.recipe import Guards

PREFIX = "guards/"
GUARDS: dict[str, Callable[[Guards, History], Verdict]] = {
    "kl": policy.kl,
    "entropy": policy.entropy,
    "length": responses.length,
    "repetition": responses.repetition,
    "stock_phrases": responses.stock_phrases,
    "plateau": scores.plateau,
    "overoptimization": scores.overoptimization,
    "uncertainty": scores.uncertainty,
    "score_range": scores.score_range,
    "explained_variance": policy.explained_variance,
    "truncation": responses.truncation,
    "non_finite": policy.non_finite,
    "mismatch": policy.mismatch,
}
"""Every guard by its key in the recipe."""


def watch(guards: Guards, history: History, gold: bool = False) -> tuple[Verdict, ...]:
    """What every guard that is on says of a history that ends with the row to be judged.

    ``gold``: the win rates in it are a gold judge's. Gold measures and never steers, so the guard
    that reads them then warns at most.
    """
    found = []
    for name, guard in GUARDS.items():
        action = guards.may(name)
        if action == "off":
            continue
        verdict = guard(guards, history)
        only_warns = action == "warn" or (gold and name == "overoptimization")
        if verdict.level == "halt" and only_warns:
            verdict = replace(verdict, level="warn")
        found.append(verdict)
    return tuple(found)


def as_metrics(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """``guards/NAME``: 0 ok, 1 warned, 2 halted."""
    return {PREFIX + verdict.guard: float(LEVELS[verdict.level]) for verdict in verdicts}


def worse(verdicts: Sequence[Verdict], before: History) -> list[Verdict]:
    """Those whose level rose above what the last row of ``before`` says: what is news."""
    last = before[-1] if before else {}
    return [
        verdict
        for verdict in verdicts
        if LEVELS[verdict.level] > float(last.get(PREFIX + verdict.guard) or 0.0)
    ]


def sound(guards: Guards, verdicts: Sequence[Verdict]) -> bool:
    """Whether a model may be kept as good: no guard that could halt has anything to say."""
    return not any(
        verdict.level != "ok" and guards.may(verdict.guard) == "halt" for verdict in verdicts
    )


def events(guards: Guards, history: History, gold: bool = False) -> list[dict[str, Any]]:
    """Every time a guard's level rose in a stage, from its metrics alone, in order.

    Each is a verdict as JSON with its ``step``.
    """
    found: list[dict[str, Any]] = []
    last: dict[str, float] = {}
    for place, row in enumerate(history):
        levels = {name: float(row[name] or 0.0) for name in row if name.startswith(PREFIX)}
        risen = {name for name, level in levels.items() if level > last.get(name, 0.0)}
        last |= levels
        if not risen:
            continue
        for verdict in watch(guards, history[: place + 1], gold):
            if PREFIX + verdict.guard in risen:
                found.append({"step": row["step"], **verdict.as_json()})
    return found
