"""Several ways to train, on several seeds: returns with intervals, and the learning curves."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from examples.christiano2017.experiment import (
    Outcome,
    Settings,
    Show,
    from_preferences,
    from_true_rewards,
    random_policy,
)
from preftune.records import Estimate
from preftune.stats import over_seeds, paired_difference

LABELS = (40, 300)
RANDOM = "random torques"
TRUE = "true rewards"


@dataclass(frozen=True)
class Arm:
    """A way to train. No labels: on the task's own rewards."""

    labels: int = 0
    random_share: float = 0.0

    @property
    def name(self) -> str:
        if not self.labels:
            return TRUE
        how = "random queries" if self.random_share == 1 else "by disagreement"
        return f"{self.labels} labels, {how}"

    @property
    def stem(self) -> str:
        return self.name.replace(",", "").replace(" ", "-")


def arms(settings: Settings, labels: Sequence[int] = LABELS) -> list[Arm]:
    """True rewards, then each number of labels with chosen and with random queries."""
    return [Arm(), *(Arm(n, share) for n in labels for share in (settings.random_share, 1.0))]


def study(settings: Settings, seeds: Sequence[int], labels: Sequence[int], out: Path) -> Path:
    """Runs what ``out`` does not hold yet and writes ``summary.json`` and ``curves.svg`` there."""
    out.mkdir(parents=True, exist_ok=True)
    found = {
        arm: [_run(settings, arm, seed, out) for seed in seeds] for arm in arms(settings, labels)
    }
    finals = {arm.name: [run.final_return for run in runs] for arm, runs in found.items()}
    summary = summarise(finals, random_policy(settings))
    path = out / "summary.json"
    path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    curves = {arm.name: [run.returns for run in runs] for arm, runs in found.items()}
    picture(curves, settings.pendulums).savefig(out / "curves.svg", metadata={"Date": None})
    return path


def summarise(
    finals: Mapping[str, Sequence[float]], untrained: float
) -> dict[str, dict[str, object]]:
    """Returns by arm over seeds; the share of the gap from random torques to true rewards closed;
    disagreement minus random queries, paired by seed."""
    best = float(np.mean(finals[TRUE]))
    rows: dict[str, dict[str, object]] = {RANDOM: {"return": untrained}}
    for name, values in finals.items():
        rows[name] = {
            "return": over_seeds(values)._asdict(),
            "seeds": list(values),
            "gap_closed": (float(np.mean(values)) - untrained) / (best - untrained),
        }
        rival = name.replace("by disagreement", "random queries")
        if rival != name and rival in finals:
            rows[name]["minus_random_queries"] = paired_difference(values, finals[rival])._asdict()
    return rows


def table(summary: Mapping[str, Mapping[str, object]]) -> str:
    """The summary as lines for a terminal."""
    lines = []
    for name, row in summary.items():
        value = row["return"]
        if isinstance(value, Mapping):
            shown = _interval(Estimate(**value)) + f"  gap closed {row['gap_closed']:.2f}"
        else:
            shown = f"{value:.0f}"
        if isinstance(more := row.get("minus_random_queries"), Mapping):
            shown += f"  minus random queries {_interval(Estimate(**more))}"
        lines.append(f"{name:32} {shown}")
    return "\n".join(lines)


def picture(curves: Mapping[str, Iterable[Sequence[float]]], pendulums: int) -> Figure:
    """True return against episodes played: the mean over seeds, a band from least to most."""
    matplotlib.rcParams["svg.hashsalt"] = "christiano2017"
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    colours = ["#222222", "#0b6fb8", "#7fb2d9", "#c2571a", "#eab08a"]
    for (name, runs), colour in zip(curves.items(), colours * len(curves), strict=False):
        returns = np.array(list(runs))
        episodes = pendulums * np.arange(1, returns.shape[1] + 1)
        style = "--" if "random" in name else "-"
        axes.plot(episodes, returns.mean(0), style, color=colour, label=name)
        axes.fill_between(
            episodes, returns.min(0), returns.max(0), color=colour, alpha=0.12, linewidth=0
        )
    axes.set_xlabel("episodes played")
    axes.set_ylabel("true return of an episode")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return figure


def telling(name: str) -> Show:
    """Shows every tenth iteration on stderr."""

    def show(iteration: int, true_return: float, labels: int) -> None:
        if iteration % 10 == 9:
            print(
                f"{name}: iteration {iteration + 1}, {labels} labels, "
                f"true return {true_return:.0f}",
                file=sys.stderr,
                flush=True,
            )

    return show


def _run(settings: Settings, arm: Arm, seed: int, out: Path) -> Outcome:
    path = out / f"{arm.stem}-seed-{seed}.json"
    if not path.exists():
        show = telling(f"{arm.name}, seed {seed}")
        if arm.labels:
            chosen = replace(settings, labels=arm.labels, random_share=arm.random_share)
            outcome = from_preferences(chosen, seed, show=show)
        else:
            outcome = from_true_rewards(settings, seed, show)
        path.write_text(json.dumps(asdict(outcome)) + "\n", encoding="utf-8")
    return Outcome(**json.loads(path.read_text(encoding="utf-8")))


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.0f} ({estimate.low:.0f} to {estimate.high:.0f})"
