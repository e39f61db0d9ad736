"""Which curves a stage shows, and the sentence that says how to read each."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from preftune.monitoring import describe
from preftune.reports.figure_data import Data, of_metrics
from preftune.reports.figures import Line, line_chart
from preftune.reports.reading import Row, StageView, number
from preftune.reports.wording import figure

POINTS = 160
"""A longer curve is averaged into this many pieces."""
MORE = 24
"""At most this many further curves are drawn."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished picture: ``names`` is its legend (empty for one line), ``read`` how to read it."""

    title: str
    svg: str
    alt: str
    read: str
    names: tuple[str, ...] = ()
    data: Data | None = None
    """The numbers it was drawn from, before any averaging."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One picture to draw: (metric, its name in the legend) lines that share a unit."""

    title: str
    lines: tuple[tuple[str, str], ...]
    unit: str
    read: str
    level: float | None = None


LANGUAGE_MODEL = (
    Plan(
        "Loss",
        (("loss", "training"), ("eval_loss", "validation")),
        "nats a token",
        "Lower is better; validation turning up while training goes down is overfitting.",
    ),
)
REWARD_MODEL = (
    Plan(
        "Loss",
        (("loss", "training"), ("eval_loss", "validation")),
        "nats a pair",
        "0.69 is a coin flip; the model is kept at its best validation accuracy.",
        0.6931,
    ),
    Plan(
        "Accuracy",
        (("accuracy", "training"), ("eval_accuracy", "validation")),
        "share of pairs",
        "How often the preferred answer scores higher; one half is a coin flip.",
        0.5,
    ),
    Plan(
        "Margin",
        (("margin", "preferred minus other"),),
        "score",
        "How far apart the two answers of a pair are scored, on average.",
    ),
)
PPO = (
    Plan(
        "Score and reward",
        (
            ("objective/scores", "score"),
            ("objective/rlhf_reward", "reward: score minus KL penalty"),
        ),
        "score",
        "The score is the reward model's; the reward is what the policy is trained on.",
    ),
    Plan(
        "The judge's score",
        (("judge/score", "judge"),),
        "score",
        "The judge is never trained on: this is what the run is for.",
    ),
    Plan(
        "Win rate during training",
        (("judge/win_rate", "win rate"),),
        "share of prompts",
        "Against the SFT model by the judge, ties half, with its 95 % interval; one half is no "
        "difference.",
        0.5,
    ),
    Plan(
        "The score by the judge that only records",
        (("measured/score", "score"),),
        "score",
        "No guard reads it: it tells what stopping by the other judge was worth.",
    ),
    Plan(
        "KL to the reference",
        (("objective/kl", "KL"),),
        "nats a response",
        "How far the policy has moved; a steep climb buys score with nonsense.",
    ),
    Plan(
        "Entropy",
        (("objective/entropy", "entropy"),),
        "nats a response",
        "How varied the answers are; near zero the policy says one thing only.",
    ),
    Plan(
        "Length",
        (("completions/mean_length", "length"),),
        "tokens",
        "A climb without a climb in the judge's score is length that was merely rewarded.",
    ),
    Plan(
        "Endings and variety",
        (("completions/eos_rate", "ended by itself"), ("completions/distinct_2", "distinct-2")),
        "share",
        "Answers that end by themselves, and word pairs that are not repeats.",
    ),
    Plan(
        "Value loss",
        (("loss/value_avg", "value loss"),),
        "score squared",
        "The error of the network that predicts the reward; it should fall, then stay low.",
    ),
    Plan(
        "Explained variance",
        (("value/explained_variance", "explained variance"),),
        "share",
        "How much of the returns the value network foresees: 1 is all, 0 is no better than a "
        "constant.",
        0.0,
    ),
)
REJECTION_SAMPLING = (
    Plan(
        "Sampled and kept",
        (("objective/scores", "all responses"), ("selected/scores", "kept")),
        "score",
        "Mean reward score of what a round sampled, and of what it learned from.",
    ),
    *(plan for plan in PPO if plan.lines[0][0].startswith(("judge/", "completions/"))),
)
ILQL = (
    Plan(
        "Values",
        (("value/mean_q", "Q of the tokens written"), ("value/mean_v", "V before them")),
        "reward",
        "What the written tokens are worth; far outside the rewards' range they have diverged.",
    ),
    Plan(
        "Loss",
        (("loss", "training"),),
        "all terms",
        "The sum of Q, V, conservative and imitation terms by their weights.",
    ),
)
ON_POLICY = (
    "ppo",
    "a2c",
    "trpo",
    "nlpo",
    "reinforce",
    "rloo",
    "reinforce_plus_plus",
    "grpo",
    "dr_grpo",
    "dapo",
    "gspo",
    "online_dpo",
)
PLANS: dict[str, tuple[Plan, ...]] = {
    "pretrain": LANGUAGE_MODEL,
    "sft": LANGUAGE_MODEL,
    "reward_model": REWARD_MODEL,
    **dict.fromkeys(ON_POLICY, PPO),
    "rejection_sampling": REJECTION_SAMPLING,
    "ilql": ILQL,
}

LEAD = ("Win rate during training", "KL to the reference")

# Drawn elsewhere, part of another picture, or no curve.
QUIET = {
    "step",
    "nonfinite",
    "seconds",
    "epoch",
    "episode",
    "num_tokens",
    "judge/win_rate_low",
    "judge/win_rate_high",
    "measured/win_rate_low",
    "measured/win_rate_high",
}


def main_charts(stage: StageView, titles: Container[str] = ()) -> list[Chart]:
    """The curves of a stage that everybody looks at, where it wrote them, but those ``titles``."""
    plans = [plan for plan in PLANS.get(stage.kind, ()) if plan.title not in titles]
    return [chart for plan in plans if (chart := draw(plan, stage.metrics)) is not None]


def lead_charts(stage: StageView) -> list[Chart]:
    """The curves that stand beside the picture of proxy and judge (see LEAD)."""
    plans = [plan for plan in PLANS.get(stage.kind, ()) if plan.title in LEAD]
    return [chart for plan in plans if (chart := draw(plan, stage.metrics)) is not None]


def further_charts(stage: StageView) -> list[Chart]:
    """One small picture for every other metric of the stage, in the order written."""
    planned = {name for plan in PLANS.get(stage.kind, ()) for name, _ in plan.lines}
    names = dict.fromkeys(
        name
        for row in stage.metrics
        for name, value in row.items()
        if name not in QUIET and name not in planned and number(value) is not None
    )
    drawn = (draw(_plan_of(name), stage.metrics) for name in names if _changes(name, stage.metrics))
    return [chart for chart in drawn if chart is not None][:MORE]


def draw(plan: Plan, rows: Sequence[Row]) -> Chart | None:
    """The picture, or None where nothing of it was measured."""
    found = [(name, line) for name, label in plan.lines if (line := series(rows, name, label))]
    if not found:
        return None
    lines = [line for _, line in found]
    svg = line_chart(lines, y_label=plan.unit, x_label="step", level=plan.level)
    thinned = any(_measured(rows, name) > POINTS for name, _ in found)
    read = plan.read + (" Each point is an average of neighbouring steps." if thinned else "")
    broken = sorted(
        {str(n) for row in rows for n in row.get("nonfinite") or () if n in dict(found)}
    )
    if broken:
        read += " Not a number at some steps: the line has gaps."
    return Chart(
        title=plan.title,
        svg=svg,
        alt=f"{plan.title}. " + " ".join(told(line) for line in lines),
        read=read,
        names=tuple(line.name for line in lines) if len(lines) > 1 else (),
        data=of_metrics(rows, [name for name, _ in found]),
    )


def series(rows: Sequence[Row], name: str, label: str) -> Line | None:
    """The metric over steps, gaps as NaN, thinned to POINTS; None where it was never measured."""
    kept = [row for row in rows if name in row]
    if not any(number(row[name]) is not None for row in kept):
        return None
    xs = [float(row["step"]) for row in kept]
    ys = [_or_nan(row[name]) for row in kept]
    bounds = [f"{name}_low", f"{name}_high"]
    if len(kept) <= POINTS and all(number(row.get(b)) is not None for row in kept for b in bounds):
        low, high = ([_or_nan(row[b]) for row in kept] for b in bounds)
        return Line(label, tuple(xs), tuple(ys), tuple(low), tuple(high))
    return Line(label, tuple(thinned(xs)), tuple(thinned(ys)))


def thinned(values: list[float]) -> list[float]:
    """Means of at most POINTS runs of neighbours; NaNs are left out."""
    size = len(values)
    if size <= POINTS:
        return values
    edges = [round(i * size / POINTS) for i in range(POINTS + 1)]
    return [_mean(values[a:b]) for a, b in zip(edges, edges[1:], strict=False)]


def told(line: Line) -> str:
    """The line in words, for people who cannot see it."""
    known = [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if y == y]
    if len(known) == 1:
        return f"{line.name}: {figure(known[0][1])} at step {known[0][0]:,.0f}."
    low, high = min(known, key=lambda p: p[1]), max(known, key=lambda p: p[1])
    return (
        f"{line.name}: from {figure(known[0][1])} at step {known[0][0]:,.0f} "
        f"to {figure(known[-1][1])} at step {known[-1][0]:,.0f}; "
        f"lowest {figure(low[1])} at step {low[0]:,.0f}, "
        f"highest {figure(high[1])} at step {high[0]:,.0f}."
    )


def _plan_of(name: str) -> Plan:
    try:
        metric = describe(name)
    except ValueError:
        return Plan(name, ((name, name),), "", "A metric of this run's own.")
    unit = "" if metric.unit == "1" else metric.unit
    return Plan(name, ((name, name),), unit, metric.meaning)


def _changes(name: str, rows: Sequence[Row]) -> bool:
    values = {row.get(name) for row in rows} - {None}
    return len(values) > 1


def _measured(rows: Sequence[Row], name: str) -> int:
    return sum(name in row for row in rows)


def _or_nan(value: Any) -> float:
    known = number(value)
    return float("nan") if known is None else known


def _mean(values: list[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")
