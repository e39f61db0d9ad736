"""Overoptimization in numbers: each run's gain over √KL, the shapes it fits, and how far past the
peak it is (Gao et al. 2022)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from preftune.records import BadInput, Estimate
from preftune.reports.overoptimisation import history
from preftune.reports.reading import Run, StageView, mapping, number, read_run, rows
from preftune.reports.tables import Table
from preftune.reports.wording import figure
from preftune.stats import Compared, GainCurve, compare_shapes, over_seeds

DRAWN = 20_221_019
"""Seed of the draws behind the intervals of peak gain and loss: the same files, the same."""
SAYS: Mapping[str, str] = {
    "best_of_n": "d (α − β d)",
    "reinforcement": "d (α − β log d)",
    "parabola": "γ + α d − β d²",
}
"""Each shape's equation; d is √KL in root nats."""


@dataclass(frozen=True, slots=True)
class GainPoint:
    """Where the judge was asked. ``step`` is the iteration, of a best-of-n curve n itself.

    ``distance`` is √KL; gains are differences from the first point, in the score's own unit.
    """

    step: int
    kl: float
    distance: float
    judge: float
    proxy: float
    judge_gain: float
    proxy_gain: float


@dataclass(frozen=True, slots=True)
class Gains:
    """One stage's curve. ``fits`` is None where ``reason`` says why nothing could be fitted."""

    run: str
    stage: str
    source: Literal["training", "best_of_n"]
    judge: str
    points: tuple[GainPoint, ...]
    fits: Compared | None
    reason: str

    @property
    def best(self) -> GainCurve | None:
        return None if self.fits is None else self.fits.curves[0]

    @property
    def end(self) -> GainPoint:
        return self.points[-1]

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "run": self.run,
            "stage": self.stage,
            "source": self.source,
            "judge": self.judge,
            "points": [
                {
                    "step": point.step,
                    "kl": point.kl,
                    "distance": point.distance,
                    "judge": point.judge,
                    "proxy": point.proxy,
                    "judge_gain": point.judge_gain,
                    "proxy_gain": point.proxy_gain,
                }
                for point in self.points
            ],
            "fits": [],
            "best": None,
            "reason": self.reason or None,
        }
        if self.fits is not None:
            pairs = zip(self.fits.curves, self.fits.weights, strict=True)
            found["fits"] = [self._fit(curve, weight) for curve, weight in pairs]
            found["best"] = found["fits"][0]["shape"]
        return found

    def _fit(self, curve: GainCurve, weight: float) -> dict[str, Any]:
        rng = np.random.default_rng(DRAWN)
        return {
            "shape": curve.shape,
            "equation": SAYS[curve.shape],
            "aic": curve.aic,
            "weight": weight,
            "residual": curve.residual,
            "alpha": curve.alpha.as_json(),
            "beta": curve.beta.as_json(),
            "peak_distance": _json(curve.peak_distance()),
            "peak_gain": _json(curve.peak_gain(rng=rng)),
            "past_peak": _json(curve.past_peak(self.end.distance)),
            "lost": _json(curve.lost(self.end.distance, rng=rng)),
        }


@dataclass(frozen=True, slots=True)
class GainTable:
    """Every curve of every run, and what is common to a stage's curves over runs."""

    curves: tuple[Gains, ...]
    over_runs: Mapping[str, Mapping[str, Estimate]]
    """{stage: {name of the coefficient under the RL shape: mean over runs}}, two runs at least."""

    def as_json(self) -> dict[str, Any]:
        return {
            "curves": [curve.as_json() for curve in self.curves],
            "over_runs": {
                stage: {name: value.as_json() for name, value in found.items()}
                for stage, found in self.over_runs.items()
            },
        }


def gain_table(folders: Sequence[str | Path], stage: str | None = None) -> GainTable:
    """Reads run folders. ``stage`` keeps one stage's curve.

    Raises BadInput for a folder that is no run, or where no stage was watched by a judge.
    """
    curves: list[Gains] = []
    for folder in folders:
        curves += gains_of(read_run(Path(folder)))
    curves = [curve for curve in curves if stage is None or curve.stage == stage]
    if not curves:
        raise BadInput(
            "No stage of these runs measured a judge beside the score it was trained on.",
            file=folders[0] if folders else None,
            remedy="Give the on-policy stage an evaluation with a judge, or the evaluate stage "
            "best_of with one.",
        )
    return GainTable(tuple(curves), _over_runs(curves))


def gains_of(run: Run) -> list[Gains]:
    """The curves of one run: each watched training stage's, then each best-of-n curve."""
    name = run.folder.resolve().name
    trained = [_trained(name, stage) for stage in run.stages]
    drawn = [_drawn(name, stage) for stage in run.stages]
    return [curve for curve in [*trained, *drawn] if curve is not None]


def _trained(run: str, stage: StageView) -> Gains | None:
    seen = history(stage.metrics)
    if seen is None:
        return None
    table = [
        (step, max(kl, 0.0), judge, proxy)
        for step, kl, judge, proxy in zip(seen.steps, seen.kl, seen.judge, seen.proxy, strict=True)
        if kl == kl
    ]
    return _gains(run, stage.name, "training", seen.judge_name, table)


def _drawn(run: str, stage: StageView) -> Gains | None:
    table = []
    for point in rows(mapping(stage.summary.get("best_of")).get("curve")):
        judge, proxy = (number(mapping(point.get(key)).get("value")) for key in ("judge", "proxy"))
        kl, n = number(point.get("kl")), number(point.get("n"))
        if judge is not None and proxy is not None and kl is not None and n is not None:
            table.append((int(n), kl, judge, proxy))
    return _gains(run, stage.name, "best_of_n", "judge", table)


def _gains(
    run: str,
    stage: str,
    source: Literal["training", "best_of_n"],
    judge: str,
    table: Sequence[tuple[int, float, float, float]],
) -> Gains | None:
    """Points of (step, KL, judge, proxy), the first of them where the policy began."""
    if not table:
        return None
    _, _, judge_start, proxy_start = table[0]
    points = tuple(
        GainPoint(step, kl, kl**0.5, judged, proxy, judged - judge_start, proxy - proxy_start)
        for step, kl, judged, proxy in table
    )
    try:
        fits = compare_shapes(
            [point.distance for point in points], [point.judge_gain for point in points]
        )
    except BadInput as error:
        return Gains(run, stage, source, judge, points, None, f"{error.sentence} {error.remedy}")
    return Gains(run, stage, source, judge, points, fits, "")


def _over_runs(curves: Sequence[Gains]) -> dict[str, dict[str, Estimate]]:
    found: dict[str, dict[str, Estimate]] = {}
    for stage in dict.fromkeys(curve.stage for curve in curves if curve.source == "training"):
        fitted = [
            fit
            for curve in curves
            if curve.stage == stage and curve.source == "training" and curve.fits is not None
            for fit in curve.fits.curves
            if fit.shape == "reinforcement"
        ]
        if len(fitted) < 2:
            continue
        found[stage] = {
            "alpha": over_seeds([fit.alpha.value for fit in fitted]),
            "beta": over_seeds([fit.beta.value for fit in fitted]),
        }
        peaks = [fit.peak_distance() for fit in fitted]
        known = [peak.value for peak in peaks if peak is not None]
        if len(known) == len(peaks):
            found[stage]["peak_distance"] = over_seeds(known)
    return found


def _json(value: Estimate | None) -> dict[str, Any] | None:
    return None if value is None else dict(value.as_json())


def gains_table(run: Run) -> Table | None:
    """Each curve's best shape, its peak and how far past it the run ended; None without a fit."""
    body = []
    for curve in gains_of(run):
        best = curve.best
        if best is None or curve.fits is None:
            continue
        peak, past = best.peak_distance(), best.past_peak(curve.end.distance)
        body.append(
            (
                f"{curve.stage} ({curve.source.replace('_', ' ')})",
                f"{SAYS[best.shape]}, weight {curve.fits.weights[0]:.0%}",
                _told(best.alpha),
                _told(best.beta),
                "none" if peak is None else _told(peak),
                "–" if past is None else _told(past),
            )
        )
    if not body:
        return None
    head = ("curve", "best shape by AIC, d = √KL", "α", "β", "peak at d", "end / peak")
    return Table("Shapes fitted to the judge's gain", head, tuple(body))


def _told(value: Estimate) -> str:
    ends = [figure(end) if abs(end) < float("inf") else "∞" for end in (value.low, value.high)]
    return f"{figure(value.value)} ({ends[0]} to {ends[1]})"
