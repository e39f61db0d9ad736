"""What each guard said at each iteration of a stage, as a strip a person can scan."""

from dataclasses import dataclass

from preftune.reports.figure_data import Data, file_name
from preftune.reports.reading import StageView, number, rows

PREFIX = "guards/"
SIGNS = (("ok", "·"), ("warn", "!"), ("halt", "✕"))


@dataclass(frozen=True, slots=True)
class Moment:
    """One iteration: ``look`` is ok, warn or halt; ``told`` is what pointing at it says."""

    look: str
    sign: str
    told: str


@dataclass(frozen=True, slots=True)
class GuardHistory:
    """A strip for each guard that was asked; ``quiet`` never had a word to say."""

    stage: str
    first: int
    last: int
    strips: tuple[tuple[str, tuple[Moment, ...]], ...]
    quiet: tuple[str, ...]
    data: Data
    file: str


def guard_history(stage: StageView) -> GuardHistory | None:
    """From the levels in ``metrics.jsonl``; None where no guard wrote any."""
    asked = [row for row in stage.metrics if any(name.startswith(PREFIX) for name in row)]
    if not asked:
        return None
    names = list(dict.fromkeys(n for row in asked for n in row if n.startswith(PREFIX)))
    reasons = {
        (str(item.get("guard")), item.get("step")): str(item.get("reason", ""))
        for item in rows(stage.summary.get("guards"))
    }
    strips, quiet = [], []
    for name in names:
        guard = name.removeprefix(PREFIX)
        levels = [(int(row["step"]), int(number(row.get(name)) or 0)) for row in asked]
        words = guard.replace("_", " ")
        if not any(level for _, level in levels):
            quiet.append(words)
            continue
        moments = []
        for step, level in levels:
            look, sign = SIGNS[min(level, 2)]
            reason = reasons.get((guard, step), "")
            told = f"{words}, iteration {step}: {look}{'. ' + reason if reason else ''}"
            moments.append(Moment(look, sign, told))
        strips.append((words, tuple(moments)))
    body = tuple((int(row["step"]), *(number(row.get(name)) for name in names)) for row in asked)
    return GuardHistory(
        stage=stage.name,
        first=int(asked[0]["step"]),
        last=int(asked[-1]["step"]),
        strips=tuple(strips),
        quiet=tuple(quiet),
        data=Data(("step", *names), body),
        file=file_name(stage.name, "guards"),
    )
