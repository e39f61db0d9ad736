"""What stopping is worth: guards, a KL budget and the end of the run, in gold.

    python -m benchmarks.stopping RUN … --tuning RUN … [--stage ppo_single]

Each run went on to its end (guards that only warn) with a second reward model as the judge that
guards may read and the gold judge only recording. From its metrics this works out where each rule
would have stopped and what gold says of the model it would have kept. Both rules are fixed on the
tuning runs: the KL budget; of the guards, how many standard errors below its best a win rate must
lie, and how many nats a token of KL they allow. Loss is the best gold of any iteration less that of
the kept one. A false stop is one after which gold rose by more than two standard errors of an
evaluation.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

from benchmarks.judged import judged_rows, kl_of_models
from preftune.monitoring.guards import sound, watch
from preftune.recipe import Guards
from preftune.stats import mean_estimate

BUDGETS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, inf)
"""KL to the reference, nats a response."""
ERRORS = (0.5, 1.0, 1.5, 2.0, 3.0)
ALLOWED = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 2.0)
"""KL to the reference, nats a token, at which a guard halts."""
GOLD = "measured/score"


@dataclass(frozen=True, slots=True)
class Curve:
    """A run's rows with a gold score."""

    name: str
    rows: Sequence[Mapping[str, Any]]

    @property
    def gold(self) -> list[float]:
        return [float(row[GOLD]) for row in self.rows]

    @property
    def kl(self) -> list[float]:
        return kl_of_models(self.rows)


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a rule stops and which iteration's model it keeps; at the end if it never does."""

    at: int
    kept: int
    stopped: bool


def read(run: Path, stage: str) -> Curve:
    return Curve(str(run), judged_rows(run, stage, GOLD))


def by_budget(curve: Curve, budget: float) -> Stop:
    """The last model before the first whose KL passes the budget."""
    last = len(curve.rows) - 1
    passed = next((i for i, kl in enumerate(curve.kl) if kl > budget), None)
    return Stop(last, last, False) if passed is None else Stop(passed, max(passed - 1, 0), True)


def by_guards(curve: Curve, guards: Guards) -> Stop:
    """As a run with these guards would: the newest model that none had a word against."""
    good = 0
    for i in range(len(curve.rows)):
        verdicts = watch(guards, curve.rows[: i + 1])
        if sound(guards, verdicts):
            good = i
        if any(verdict.level == "halt" for verdict in verdicts):
            return Stop(i, good, True)
    last = len(curve.rows) - 1
    return Stop(last, last, False)


def guards_of(errors: float, allowed: float = 2.0) -> Guards:
    kl = {"halt": allowed, "warn": min(allowed, Guards().kl.warn)}
    return Guards.model_validate({"overoptimization": {"errors": errors}, "kl": kl})


def loss(curve: Curve, stop: Stop) -> float:
    return max(curve.gold) - curve.gold[stop.kept]


def mean_loss(curves: Sequence[Curve], stops: Sequence[Stop]) -> float:
    return sum(map(loss, curves, stops)) / len(curves)


def false_stop(curve: Curve, stop: Stop, error: float) -> bool:
    later = curve.gold[stop.kept + 1 :]
    return stop.stopped and bool(later) and max(later) > curve.gold[stop.kept] + 2 * error


def told(rule: str, curves: Sequence[Curve], stops: Sequence[Stop], error: float) -> dict[str, Any]:
    losses = [loss(*pair) for pair in zip(curves, stops, strict=True)]
    false = [false_stop(*pair, error) for pair in zip(curves, stops, strict=True)]
    return {
        "rule": rule,
        "loss": mean_estimate(losses, list(range(len(losses)))).as_json(),
        "losses": losses,
        "kept": [stop.kept for stop in stops],
        "stopped": sum(stop.stopped for stop in stops),
        "false_stops": sum(false),
    }


def report(curves: Sequence[Curve], tuning: Sequence[Curve], error: float) -> dict[str, Any]:
    """Both rules fixed on ``tuning``, and what they and no rule lose on ``curves``."""
    budget = min(BUDGETS, key=lambda b: mean_loss(tuning, [by_budget(c, b) for c in tuning]))
    settings = min(
        product(ERRORS, ALLOWED),
        key=lambda found: mean_loss(tuning, [by_guards(c, guards_of(*found)) for c in tuning]),
    )
    chosen = "guards, {:g} standard errors, {:g} nats a token".format(*settings)
    rules = {
        chosen: [by_guards(c, guards_of(*settings)) for c in curves],
        f"KL budget of {budget:g} nats": [by_budget(c, budget) for c in curves],
        "guards as they come": [by_guards(c, Guards()) for c in curves],
        "no stopping": [by_budget(c, inf) for c in curves],
    }
    return {
        "runs": [curve.name for curve in curves],
        "tuning": [curve.name for curve in tuning],
        "peaks": [max(curve.gold) for curve in curves],
        "ends": [curve.gold[-1] for curve in curves],
        "rules": [told(rule, curves, stops, error) for rule, stops in rules.items()],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stopping",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--tuning", nargs="+", type=Path, required=True)
    parser.add_argument("--stage", default="ppo_single")
    parser.add_argument("--error", type=float, default=0.02, help="of one gold evaluation")
    args = parser.parse_args()
    read_all = [read(run, args.stage) for run in args.runs]
    tuning = [read(run, args.stage) for run in args.tuning]
    print(json.dumps(report(read_all, tuning, args.error), indent=1))


if __name__ == "__main__":
    main()
