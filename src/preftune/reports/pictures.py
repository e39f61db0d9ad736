"""The pictures of an evaluation: win rates, accuracy, calibration, proxy against judge."""

from collections.abc import Iterable, Sequence

from preftune.records import Estimate
from preftune.reports.curves import Chart
from preftune.reports.evidence import BASELINES, Measured, Watched, baselines
from preftune.reports.figure_data import Data
from preftune.reports.figures import (
    Interval,
    Line,
    interval_chart,
    parting_chart,
    reliability_chart,
)
from preftune.reports.reading import StageView, mapping, number, rows
from preftune.reports.verdict import hacking_sentence
from preftune.reports.wording import (
    estimate,
    figure,
    model_name,
    percent,
    percent_interval,
    points_interval,
)


def win_rate_chart(seen: Measured) -> Chart | None:
    """Every win rate with its interval, and at equal length where that was computed."""
    shown: list[Interval] = []
    for win in seen.win_rates:
        label = f"{model_name(win.policy)} against {model_name(win.against)}"
        shown.append(_row(label, win.rate, "s1"))
        if win.controlled is not None:
            shown.append(_row("same, at equal length", win.controlled, "s2", hollow=True))
    if not shown:
        return None
    ties = [
        f"{model_name(w.policy)} and {model_name(w.against)} {percent(w.ties)}"
        for w in seen.win_rates
        if w.ties is not None
    ]
    read = (
        f"Share of held-out prompts on which the first is preferred by {seen.judge}, ties half, "
        "with 95 % intervals; a line that crosses the middle is no clear difference."
    )
    if ties:
        read += f" Ties: {', '.join(ties)}."
    return _intervals("Win rates", shown, read, x_label="preferred on", limits=(-0.02, 1.02))


def accuracy_chart(seen: Measured) -> Chart | None:
    """The reward model's accuracy beside the ceiling and the baselines."""
    if seen.accuracy is None:
        return None
    shown = [_row("reward model", seen.accuracy, "s1")]
    if seen.noise_ceiling is not None:
        shown.append(
            _row("ceiling set by the labels' noise", seen.noise_ceiling, "s3", hollow=True)
        )
    shown += [_row(n, v, "s2", hollow=True) for n, v in baselines(seen.reward_model).items()]
    read = (
        "Share of held-out pairs where the preferred answer is ranked first; the middle line is a "
        "coin flip. A baseline that comes close means that the labels reward something simple."
    )
    reason = mapping(seen.reward_model.get("baselines")).get("reason")
    if reason:
        read += f" Baselines left out: {reason}"
    return _intervals(
        "Agreement with labels", shown, read, x_label="accuracy", limits=_limits(shown)
    )


def reliability_picture(seen: Measured) -> Chart | None:
    """Stated against observed preference."""
    found = [
        (predicted, observed, int(number(row.get("count")) or 0))
        for row in rows(seen.reward_model.get("reliability"))
        if (predicted := number(row.get("predicted"))) is not None
        and (observed := number(row.get("observed"))) is not None
    ]
    if not found:
        return None
    ece = number(seen.reward_model.get("ece"))
    error = f" On average it is off by {percent(ece, 1)}." if ece is not None else ""
    words = "; ".join(f"stated {percent(p)}, observed {percent(o)}" for p, o, _ in found)
    return Chart(
        title="Calibration",
        svg=reliability_chart(found),
        alt=f"Reliability diagram. {words}.",
        read="When the reward model says 80 %, is it right in 80 % of cases? On the dashed line it "
        f"is; below, it is too sure of itself.{error} Larger dots hold more pairs.",
        data=Data(("predicted", "observed", "count"), tuple(found)),
    )


def parting_picture(each: Watched) -> Chart | None:
    """Proxy over judge along the distance from the reference (or along steps without a KL)."""
    seen = each.history
    if len(seen.steps) < 2:
        return None
    known = all(kl == kl for kl in seen.kl)
    xs = tuple(max(kl, 0.0) ** 0.5 for kl in seen.kl) if known else tuple(map(float, seen.steps))
    hacked = hacking_sentence(each)
    turn = None
    if hacked and each.verdict is not None:
        turn = xs[seen.steps.index(each.verdict.peak_step)]
    judge = "win rate by the judge" if seen.judge_name == "judge/win_rate" else "score by the judge"
    proxy = Line("score trained on", xs, seen.proxy)
    svg = parting_chart(
        proxy,
        Line(judge, xs, seen.judge),
        turn,
        "√KL to the reference" if known else "step",
    )
    read = "Both should rise together as the policy moves away from where it began. " + (
        "Here they part: in the shaded part the score goes on rising while the judge goes down."
        if hacked
        else "Where the upper line rises and the lower one falls, the score is being gamed"
        + (
            "; nothing of the kind was found here."
            if each.verdict is not None
            else "; too few measurements to tell."
        )
    )
    return Chart(
        title=f"Proxy and judge: {each.stage.name}",
        svg=svg,
        alt=f"Two panels over distance from the reference. Score trained on: {_span(seen.proxy)}. "
        f"{judge.capitalize()}: {_span(seen.judge)}. {hacked}",
        read=read,
        data=Data(
            ("step", "objective/kl", seen.judge_name, seen.proxy_name),
            tuple(zip(seen.steps, seen.kl, seen.judge, seen.proxy, strict=True)),
        ),
    )


def fold_charts(stage: StageView) -> tuple[Chart | None, ...]:
    """What a cross-validation shows: all groups together, against the baselines, one by one."""
    return overall_chart(stage), difference_chart(stage), fold_chart(stage)


def fold_chart(stage: StageView) -> Chart | None:
    """Each left-out group: the reward model with its interval, the baselines as texts beside."""
    shown: list[Interval] = []
    for row in rows(stage.summary.get("folds")):
        model = estimate(row.get("model"))
        if model is None:
            continue
        shown.append(_row(_short(str(row.get("group", "?"))), model, "s1"))
        for key, series in (("tfidf_length", "s2"), ("longer", "s3")):
            other = estimate(row.get(key))
            if other is not None:
                shown.append(_row(f"    {BASELINES[key]}", other, series, hollow=True))
    if not shown:
        return None
    read = (
        "Accuracy on each group with a model that never saw it; filled dots are the reward model."
    )
    return _intervals("Group by group", shown, read, x_label="accuracy", limits=_limits(shown))


def overall_chart(stage: StageView) -> Chart | None:
    """All left-out groups together: model and baselines."""
    model = estimate(stage.summary.get("accuracy"))
    if stage.kind != "cross_validate" or model is None:
        return None
    shown = [_row("reward model", model, "s1")]
    shown += [_row(n, v, "s2", hollow=True) for n, v in baselines(stage.summary).items()]
    return _intervals(
        "All groups together",
        shown,
        "Every pair was judged by a model that had not seen its group.",
        x_label="accuracy",
        limits=_limits(shown),
    )


def difference_chart(stage: StageView) -> Chart | None:
    """The reward model minus each baseline on the same pairs."""
    shown = []
    for name, item in mapping(stage.summary.get("differences")).items():
        value = estimate(item)
        if value is not None:
            text = points_interval(value)
            label = f"reward model minus {BASELINES.get(name, name)}"
            shown.append(Interval(label, value.value, value.low, value.high, text))
    if not shown or stage.kind != "cross_validate":
        return None
    ends = [abs(end) for row in shown for end in (row.low, row.high)]
    limit = 1.15 * max([*ends, 0.02])
    return _intervals(
        "Better than the baselines?",
        shown,
        "Difference in accuracy on the same pairs; an interval right of the dashed line is better.",
        x_label="difference in accuracy",
        limits=(-limit, limit),
        level=0.0,
    )


def _intervals(
    title: str,
    shown: Sequence[Interval],
    read: str,
    *,
    x_label: str,
    limits: tuple[float, float],
    level: float = 0.5,
) -> Chart:
    words = "; ".join(f"{row.label.strip()} {row.text}" for row in shown)
    svg = interval_chart(shown, x_label=x_label, level=level, limits=limits)
    body = tuple((row.label.strip(), row.value, row.low, row.high) for row in shown)
    data = Data(("what", "value", "low", "high"), body)
    return Chart(title=title, svg=svg, alt=f"{title}: {words}.", read=read, data=data)


def _row(label: str, value: Estimate, series: str, *, hollow: bool = False) -> Interval:
    text = percent_interval(value)
    return Interval(label, value.value, value.low, value.high, text, series, hollow)


def _limits(shown: Iterable[Interval]) -> tuple[float, float]:
    """An axis that holds every interval and the coin flip, on whole tenths."""
    ends = [0.5, *(end for row in shown for end in (row.low, row.high))]
    low, high = min(ends), max(ends)
    return max(0.0, int(low * 10 - 0.3) / 10) - 0.01, min(1.0, int(high * 10 + 1.3) / 10) + 0.01


def _short(text: str, size: int = 34) -> str:
    return text if len(text) <= size else f"{text[: size - 1]}…"


def _span(values: Sequence[float]) -> str:
    return f"from {figure(values[0])} to {figure(values[-1])}, highest {figure(max(values))}"
