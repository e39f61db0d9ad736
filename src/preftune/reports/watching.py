"""What guards said during training, and what gates decided, as tables."""

from collections.abc import Mapping

from preftune.reports.reading import Run, StageView, mapping, number, rows
from preftune.reports.tables import Table
from preftune.reports.wording import figure


def watching_tables(run: Run) -> list[Table]:
    """One for each stage whose guards spoke or that is a gate which was asked."""
    found = [table for stage in run.stages for table in (guard_table(stage), gate_table(stage))]
    return [table for table in found if table is not None]


def guard_table(stage: StageView) -> Table | None:
    """Every time a guard's word got worse, in the order of training."""
    told = rows(stage.summary.get("guards")) or _running(stage)
    if not told:
        return None
    halt = mapping(stage.summary.get("halt"))
    ending = f"; halted, the model is that of step {halt.get('kept_step')}" if halt else ""
    return Table(
        caption=f"Guards of {stage.name}{ending}",
        head=("guard", "step", "level", "what it saw"),
        body=tuple(
            (
                str(item.get("guard", "")).replace("_", " "),
                str(item.get("step", "")),
                str(item.get("level", "")),
                str(item.get("reason", "")),
            )
            for item in told
        ),
    )


def gate_table(stage: StageView) -> Table | None:
    """A gate's checks with what was measured, what was needed and what to do."""
    checks = rows(stage.summary.get("checks"))
    if not checks:
        return None
    passed = "passed" if stage.summary.get("passed") else "refused"
    if "promoted" in stage.summary:
        passed = "promoted" if stage.summary["promoted"] else "rolled back"
    return Table(
        caption=f"{stage.kind.capitalize()} {stage.name}: {passed}",
        head=("metric", "measured", "needed", "outcome", "evidence"),
        body=tuple(
            (
                str(check.get("metric", "")),
                _measured(mapping(check.get("value"))),
                f"at {check.get('at', 'least')} {check.get('threshold', '')}",
                "passed" if check.get("passed") else f"refused. {check.get('remedy', '')}",
                str(check.get("evidence", "")),
            )
            for check in checks
        ),
    )


def _measured(value: Mapping[str, object]) -> str:
    parts = [number(value.get(key)) for key in ("value", "low", "high")]
    if any(part is None for part in parts):
        return ""
    middle, low, high = (float(part or 0.0) for part in parts)
    return figure(middle) if low == high else f"{figure(middle)} ({figure(low)} to {figure(high)})"


def _running(stage: StageView) -> list[dict[str, object]]:
    """Of a stage that has no summary yet: the levels that stand in its metrics."""
    found: list[dict[str, object]] = []
    last: dict[str, float] = {}
    for row in stage.metrics:
        for name in row:
            level = number(row[name]) if name.startswith("guards/") else None
            if level is not None and level > last.get(name, 0.0):
                word = "halt" if level > 1 else "warn"
                found.append({"guard": name.partition("/")[2], "step": row["step"], "level": word})
            if level is not None:
                last[name] = level
    return found
