"""Labels, audits and rounds of a run, as tables and one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preftune.artifacts import lineage, render_lineage_text
from preftune.records import PreftuneError
from preftune.reports.curves import Chart
from preftune.reports.figure_data import of_estimates
from preftune.reports.figures import Interval, interval_chart
from preftune.reports.reading import Row, Run, StageView, mapping, number, rows
from preftune.reports.tables import Table
from preftune.reports.wording import estimate, figure, percent_interval

SIDES = ("train", "validation", "test")


def labels_table(run: Run) -> Table | None:
    """A line for each stage that labelled: how many pairs on each side, and how far they agree."""
    body = []
    for stage in run.stages:
        if stage.kind not in ("label", "people") or not stage.summary:
            continue
        told = stage.summary
        counts = [number(told.get(f"{side}_pairs")) for side in SIDES]
        pairs = " / ".join("–" if c is None else f"{c:,.0f}" for c in counts)
        body.append((stage.name, _who(stage), pairs, _agreement(told), _ceiling(told)))
    if not body:
        return None
    head = ("stage", "labelers", "pairs to train / validate / test", "two agree", "noise ceiling")
    return Table("Labels of each round", head, tuple(body))


def audit_tables(run: Run) -> list[Table]:
    """What each audit looked for, the named ones first."""
    found = []
    for stage in run.stages:
        effects = rows(stage.summary.get("effects")) if stage.kind == "audit" else []
        if not effects:
            continue
        named = [effect for effect in effects if effect.get("named")]
        others = [effect for effect in effects if not effect.get("named")]
        body = tuple(_effect(effect) for effect in [*named, *others])
        said = ", ".join(str(effect.get("name")) for effect in named) or "no bias"
        head = ("looked for", "kind", "effect", "found", "in words")
        found.append(Table(f"Audit {stage.name}: {said} named", head, body))
    return found


def rounds_table(run: Run) -> Table | None:
    """Each promotion: what was tried, what decided, and what the next round starts from."""
    body = []
    for stage in run.stages:
        if stage.kind != "promote" or "promoted" not in stage.summary:
            continue
        decision = "promoted" if stage.summary["promoted"] else "rolled back"
        checks = [
            f"{check.get('metric')}: {check.get('sentence', '')}".split(": ", 1)[1]
            for check in rows(stage.summary.get("checks"))
        ]
        tried = str(stage.settings.get("candidate", "")).removeprefix("stage:")
        before = str(stage.settings.get("incumbent", "")).removeprefix("stage:")
        body.append((stage.name, tried, before, decision, "; ".join(checks)))
    if not body:
        return None
    return Table("Rounds", ("round", "tried", "against", "outcome", "why"), tuple(body))


def rounds_picture(run: Run) -> Chart | None:
    """Every win rate that a promotion was decided by, round after round."""
    shown = []
    for stage in run.stages:
        for check in rows(stage.summary.get("checks")) if stage.kind == "promote" else ():
            value = estimate(check.get("value"))
            if value is not None and "win rate" in str(check.get("metric")):
                shown.append((stage.name, value))
    if len(shown) < 2:
        return None
    intervals = [
        Interval(name, value.value, value.low, value.high, percent_interval(value))
        for name, value in shown
    ]
    words = "; ".join(f"{row.label} {row.text}" for row in intervals)
    return Chart(
        title="Win rates that decided",
        svg=interval_chart(
            intervals, x_label="preferred to the policy before", level=0.5, limits=(-0.02, 1.02)
        ),
        alt=f"Win rate of each round's candidate: {words}.",
        read="Each round's candidate against the policy before it, ties half, with 95 % "
        "intervals; the line in the middle is no difference.",
        data=of_estimates(shown),
    )


def lineage_text(run: Run) -> str:
    """Where the last finished stage came from, back to the raw files; empty where unknown."""
    last = next((s for s in reversed(run.stages) if s.manifest is not None), None)
    if last is None or last.folder is None:
        return ""
    try:
        return render_lineage_text(lineage(Path(last.folder)))
    except (PreftuneError, OSError, ValueError, KeyError):
        return ""


def _who(stage: StageView) -> str:
    if stage.kind == "people":
        return f"people, project {stage.summary.get('project', '')}"
    return f"simulated, {stage.summary.get('labelers', 'unknown')}"


def _agreement(told: Row) -> str:
    value = estimate(told.get("agreement"))
    if value is not None:
        return percent_interval(value)
    expected = number(told.get("train_expected_agreement"))
    return "" if expected is None else f"{100 * expected:.1f} % expected"


def _ceiling(told: Row) -> str:
    known = number(told.get("test_noise_ceiling"))
    return "" if known is None else f"{100 * known:.1f} %"


def _effect(effect: Row) -> tuple[str, ...]:
    value: Any = mapping(effect.get("effect"))
    parts: Sequence[float | None] = [number(value.get(key)) for key in ("value", "low", "high")]
    size = ""
    if all(part is not None for part in parts):
        middle, low, high = (float(part or 0.0) for part in parts)
        size = f"{figure(middle)} ({figure(low)} to {figure(high)})"
    return (
        str(effect.get("name", "")),
        str(effect.get("kind", "")),
        size,
        "named" if effect.get("named") else "",
        str(effect.get("sentence", "")),
    )
