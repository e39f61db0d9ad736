"""Several runs become one page: the frontier, every method's numbers, and what is uneven."""

from dataclasses import dataclass
from pathlib import Path

from preftune.artifacts import write_text_atomic
from preftune.records import Estimate
from preftune.reports.curves import Chart
from preftune.reports.figures import Interval, interval_chart
from preftune.reports.frontier import frontier_picture
from preftune.reports.methods import MEASURES, Comparison, Method
from preftune.reports.page import Picture, filled, picture_of
from preftune.reports.pareto import ParetoFront, pareto_picture
from preftune.reports.tables import Table
from preftune.reports.wording import (
    NARROW,
    count,
    duration,
    interval,
    listed,
    model_name,
    percent_interval,
)

HEADS = {
    "win_rate": "win rate",
    "judge": "judge",
    "proxy": "proxy",
    "kl": "KL",
    "tokens": "tokens",
    "words": "words",
    "distinct_2": "distinct-2",
    "document_loss": "document loss",
    "generated_tokens": "generated",
    "seconds": "time",
}
NONE = "–"


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """What the template is filled with."""

    title: str
    headline: str
    sentences: tuple[str, ...]
    legend: tuple[tuple[int, str], ...]
    pictures: tuple[Picture, ...]
    intervals: str
    table: Table
    measures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    runs: tuple[str, ...]


def write_comparison(compared: Comparison, target: Path, front: ParetoFront | None = None) -> Path:
    """One HTML file that needs nothing else. The same runs give the same bytes."""
    write_text_atomic(target, render_comparison(compared, front))
    return target


def write_comparison_table(compared: Comparison, target: Path) -> Path:
    """The table and what its columns mean, in Markdown."""
    write_text_atomic(target, comparison_markdown(compared))
    return target


def render_comparison(compared: Comparison, front: ParetoFront | None = None) -> str:
    charts = [
        None if front is None else pareto_picture(compared, front),
        frontier_picture(compared, "judge"),
        frontier_picture(compared, "proxy"),
        win_rates(compared),
    ]
    drawn = [chart for chart in charts if chart is not None]
    page = ComparisonPage(
        title="Methods compared",
        headline=headline(compared),
        sentences=sentences(compared),
        legend=tuple((n, m.label) for n, m in enumerate(compared.methods, start=1)),
        pictures=tuple(picture_of(chart, f"c{n}") for n, chart in enumerate(drawn, start=1)),
        intervals=intervals(compared),
        table=comparison_table(compared),
        measures=measures(compared),
        notes=compared.notes,
        runs=tuple(Path(run).name for run in compared.runs),
    )
    return filled("comparison.html.j2", page)


def comparison_table(compared: Comparison) -> Table:
    """A method a line, numbered as in the pictures; columns nobody measured are left out."""
    shown = [name for name, _ in measured_by_any(compared)]
    body = [
        (
            f"{mark} {method.label}",
            *(cell(name, method.measures.get(name)) for name in shown),
            str(len(method.runs)),
        )
        for mark, method in enumerate(compared.methods, start=1)
    ]
    caption = f"Methods, the best by {compared.judge} first"
    head = ("method", *(head_of(compared, name) for name in shown), "seeds")
    return Table(caption, head, tuple(body))


def comparison_markdown(compared: Comparison) -> str:
    """The table in Markdown, what its columns are, and the notes."""
    made = comparison_table(compared)
    rows = [made.head, ("---",) * len(made.head), *made.body]
    lines = ["| " + " | ".join(plain(cell) for cell in row) + " |" for row in rows]
    told = [f"- **{name}**: {meaning}" for name, meaning in measures(compared)]
    notes = ["", *(f"- {note}" for note in compared.notes)] if compared.notes else []
    return "\n".join([*lines, "", intervals(compared), "", *told, *notes]) + "\n"


def headline(compared: Comparison) -> str:
    """Which method the judge likes best, and whether that is sure."""
    judged = [m for m in compared.methods if "judge" in m.measures and m.kind != "best_of"]
    if len(judged) < 2:
        return f"{len(compared.methods)} methods side by side."
    first, second = judged[:2]
    best, next_best = first.measures["judge"], second.measures["judge"]
    name = first.label
    if best.low > next_best.high:
        return f"{name} is the best by {compared.judge}, with its interval above all others'."
    close = [m for m in judged[1:] if m.measures["judge"].high >= best.low]
    others = f"{len(close)} other{'' if len(close) == 1 else 's'} within its interval"
    return f"{name} is highest by {compared.judge}, with {others}."


def sentences(compared: Comparison) -> tuple[str, ...]:
    """Who surely beats, and who surely loses to, the policy that all are compared with."""
    rated = [m for m in compared.methods if "win_rate" in m.measures]
    better = [m.label for m in rated if m.measures["win_rate"].low > 0.5]
    worse = [m.label for m in rated if m.measures["win_rate"].high < 0.5]
    rest = [m.label for m in rated if m.label not in (*better, *worse)]
    against = model_name(compared.against)
    told = (
        (better, f"Surely better than {against}: "),
        (worse, f"Surely worse than {against}: "),
        (rest, f"No clear difference from {against}: "),
    )
    return tuple(f"{begin}{listed(names)}." for names, begin in told if names)


def intervals(compared: Comparison) -> str:
    """What the intervals of this comparison are over."""
    most = max((len(method.runs) for method in compared.methods), default=1)
    if most > 1:
        return (
            "Intervals of 95 % are over seeds where a method has several, else over prompts; "
            "the methods stand in the order of the judge."
        )
    return "Intervals of 95 % are over prompts; the methods stand in the order of the judge."


def measures(compared: Comparison) -> tuple[tuple[str, str], ...]:
    """The columns shown and what they are."""
    return tuple(
        (
            head_of(compared, name),
            f"{meaning} (against {model_name(compared.against)})"
            if name == "win_rate"
            else meaning,
        )
        for name, meaning in measured_by_any(compared)
    )


def head_of(compared: Comparison, name: str) -> str:
    """The head of a measure's column; the gold judge is called gold."""
    return "gold" if name == "judge" and "gold" in compared.judge else HEADS[name]


def measured_by_any(compared: Comparison) -> list[tuple[str, str]]:
    known = {name for method in compared.methods for name in method.measures}
    return [(name, meaning) for name, meaning in MEASURES.items() if name in known]


def cell(name: str, value: Estimate | None) -> str:
    """A number as the table has it, with its interval where it has one."""
    if value is None:
        return NONE
    if name == "win_rate":
        return percent_interval(value)
    if name == "generated_tokens":
        return count(round(value.value))
    if name == "seconds":
        return duration(value.value)
    return interval(value)


def plain(text: str) -> str:
    """For Markdown: no bar that ends a cell, and ordinary spaces."""
    return text.replace(NARROW, " ").replace("|", "\\|")


def win_rates(compared: Comparison) -> Chart | None:
    """Each method's win rate against the same opponent, with its interval."""
    rated = sorted(
        (m for m in compared.methods if "win_rate" in m.measures),
        key=lambda m: -m.measures["win_rate"].value,
    )
    if not rated:
        return None
    against = model_name(compared.against)
    shown = [_interval(method, method.measures["win_rate"]) for method in rated]
    words = "; ".join(f"{row.label} {row.text}" for row in shown)
    return Chart(
        title=f"Win rate against {against}",
        svg=interval_chart(shown, x_label="preferred on", level=0.5, limits=(-0.02, 1.02)),
        alt=f"Win rate against {against}: {words}.",
        read=f"Share of held-out prompts on which {compared.judge} prefers the method's answer to "
        f"{against}'s, ties half; an interval that crosses the middle is no clear difference.",
    )


def _interval(method: Method, rate: Estimate) -> Interval:
    text = percent_interval(rate)
    return Interval(method.label, rate.value, rate.low, rate.high, text)
