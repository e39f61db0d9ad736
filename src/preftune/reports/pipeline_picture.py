"""The stages as a picture: one row each, and lines from every stage to those made from it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from preftune.reports.reading import Run, StageView
from preftune.reports.wording import duration

ROW = 46
GUTTER = 84

STATUS = {
    "done": ("done", "✓"),
    "cached": ("done", "✓"),
    "skipped": ("done", "✓"),
    "running": ("running", "…"),
    "planned": ("planned", "○"),
    "waiting": ("running", "…"),
    "stopped": ("failed", "■"),
    "failed": ("failed", "✕"),
    "halted": ("failed", "■"),
    "refused": ("failed", "✕"),
}
"""How a status looks: (CSS class, sign). The word itself is always written beside it."""


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One stage in the picture; ``share`` is its part of the longest stage's time, 0 to 1."""

    name: str
    kind: str
    status: str
    look: str
    sign: str
    took: str
    share: float
    parents: tuple[str, ...]


def picture_rows(run: Run) -> list[PictureRow]:
    """The stages in order, each with the earlier stages it was made from."""
    longest = max((stage.seconds or 0.0 for stage in run.stages), default=0.0)
    names = [stage.name for stage in run.stages]
    found = []
    for place, stage in enumerate(run.stages):
        look, sign = STATUS.get(stage.status, ("planned", "?"))
        seconds = stage.seconds
        found.append(
            PictureRow(
                name=stage.name,
                kind=stage.kind.replace("_", " "),
                status="done before" if stage.status in ("cached", "skipped") else stage.status,
                look=look,
                sign=sign,
                took=duration(seconds) if seconds is not None else "",
                share=(seconds or 0.0) / longest if longest else 0.0,
                parents=tuple(p for p in names[:place] if p in set(parents_of(stage))),
            )
        )
    return found


def parents_of(stage: StageView) -> list[str]:
    """Stages this one was made from: by its manifest, or by its settings where it has none yet."""
    if stage.manifest is not None:
        return [parent.stage for parent in stage.manifest.parents if parent.stage]
    return [
        match[1] for text in _texts(stage.settings) if (match := re.match(r"stage:([^/]+)", text))
    ]


def lanes(rows: list[PictureRow]) -> dict[str, int]:
    """For each stage that others were made from, its lane: 0 lies nearest to the names.

    A lane is held from the stage to the last one made from it; a short one lies inside.
    """
    place = {row.name: index for index, row in enumerate(rows)}
    ends: dict[str, int] = {}
    for row in rows:
        ends |= {parent: place[row.name] for parent in row.parents}
    taken: list[list[tuple[int, int]]] = []
    found: dict[str, int] = {}
    for name in sorted(ends, key=lambda name: (ends[name] - place[name], place[name])):
        span = (place[name], ends[name])
        free = (
            lane
            for lane, spans in enumerate(taken)
            if all(span[1] <= start or end <= span[0] for start, end in spans)
        )
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append(span)
        found[name] = lane
    return found


def lanes_svg(rows: list[PictureRow]) -> str:
    """The arrows, drawn left of the rows: each stage's lane runs down to those made from it."""
    place = {row.name: index for index, row in enumerate(rows)}
    given = lanes(rows)
    step = min(13.0, (GUTTER - 34) / max(1, max(given.values(), default=0)))
    parts = []
    for name, lane in sorted(given.items(), key=lambda item: -item[1]):
        children = [row.name for row in rows if name in row.parents]
        x = GUTTER - 26 - step * lane
        paths = "".join(_branch(x, place[name], place[child]) for child in children)
        title = escape(f"{name} → {', '.join(children)}")
        parts.append(f'<g class="lane l{lane % 4 + 1}"><title>{title}</title>{paths}</g>')
    dots = "".join(
        f'<circle class="node {row.look}" cx="{GUTTER - 8}" cy="{_middle(index)}" r="5.5"/>'
        for index, row in enumerate(rows)
    )
    words = "; ".join(f"{row.name} from {', '.join(row.parents)}" for row in rows if row.parents)
    label = escape(f"What each stage was made from: {words or 'nothing'}.")
    height = ROW * len(rows)
    return (
        f'<svg class="lanes" role="img" aria-label="{label}" width="{GUTTER}" height="{height}" '
        f'viewBox="0 0 {GUTTER} {height}">{"".join(parts)}{dots}</svg>'
    )


def _branch(x: float, start: int, end: int) -> str:
    """From the stage to its lane at ``x``, down, and with an arrow's head to the other stage."""
    right, y0, y1 = GUTTER - 14, _middle(start) + 4, _middle(end) - 4
    return (
        f'<path d="M{right} {y0}H{x + 6:.1f}q-6 0 -6 6V{y1 - 6}q0 6 6 6H{right - 5}"/>'
        f'<path class="head" d="M{right} {y1}l-7 -3.5v7z"/>'
    )


def _middle(index: int) -> int:
    return ROW * index + ROW // 2


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
