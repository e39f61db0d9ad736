"""The reward–KL frontier: every method as a point, further from the reference to the right."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from preftune.records import Estimate
from preftune.reports.curves import Chart
from preftune.reports.figure_data import Data
from preftune.reports.figures import (
    COLOURS,
    FONT,
    SETTINGS,
    Hit,
    new_figure,
    settle,
    to_svg,
)
from preftune.reports.methods import Comparison
from preftune.reports.wording import figure, interval, listed

SIDES = ((7, 3), (-7, 3), (0, 8), (0, -15), (8, -9), (-8, -9), (14, 9), (-14, 9))
"""Where a number may stand beside its point, in points of the page; the first free one is used."""
READINGS = {
    "judge": "what is really wanted",
    "proxy": "what the policies were trained on",
}


@dataclass(frozen=True, slots=True)
class Point:
    """A method on the picture: its number in the table, its name, its place with intervals."""

    mark: int
    name: str
    x: Estimate
    y: Estimate


def frontier_picture(compared: Comparison, measure: str) -> Chart | None:
    """``judge`` or ``proxy`` over the KL to the reference; None with fewer than two points."""
    points = [
        Point(mark, method.label, method.measures["kl"], method.measures[measure])
        for mark, method in enumerate(compared.methods, start=1)
        if "kl" in method.measures and measure in method.measures
    ]
    if len(points) < 2:
        return None
    who = compared.judge if measure == "judge" else "the reward model"
    best = undominated(points)
    names = listed([f"{p.mark} {p.name}" for p in best])
    words = "; ".join(f"{p.name}: KL {interval(p.x)}, score {interval(p.y)}" for p in points)
    return Chart(
        title=f"Score by {who} and distance",
        svg=frontier_chart(points, f"score by {who}"),
        alt=f"Score by {who} over KL. {words}.",
        read=f"Up is more of {READINGS[measure]}, right is further from the reference "
        f"(KL, nats a response); bars are 95 % intervals. On the dashed line no other method has "
        f"more at less: {names}.",
        data=Data(
            ("method", "kl", "kl_low", "kl_high", measure, f"{measure}_low", f"{measure}_high"),
            tuple(
                (p.name, p.x.value, p.x.low, p.x.high, p.y.value, p.y.low, p.y.high) for p in points
            ),
        ),
    )


def undominated(points: Sequence[Point]) -> list[Point]:
    """Those with a higher score than every point at no more KL, from the lowest KL on."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x.value, -p.y.value)):
        if not best or point.y.value > best[-1].y.value:
            best.append(point)
    return best


def frontier_chart(points: Sequence[Point], y_label: str) -> str:
    """Points with intervals both ways, their numbers beside them, and the frontier as steps."""
    with matplotlib.rc_context(SETTINGS):
        drawn, (axes,) = new_figure(330)
        best = undominated(points)
        axes.step(
            [p.x.value for p in best],
            [p.y.value for p in best],
            where="post",
            color=COLOURS["muted"],
            linewidth=1,
            dashes=(4, 3),
        )
        hits = []
        for point in points:
            x, y, on = point.x, point.y, point in best
            colour = COLOURS["s1" if on else "s2"]
            axes.plot((x.low, x.high), (y.value, y.value), color=colour, linewidth=1.1, alpha=0.7)
            axes.plot((x.value, x.value), (y.low, y.high), color=colour, linewidth=1.1, alpha=0.7)
            axes.plot((x.value,), (y.value,), marker="o" if on else "s", markersize=5, color=colour)
            text = f"{point.mark} {point.name}: {figure(y.value)} at {figure(x.value)} nats"
            hits.append(Hit(axes, x.value, y.value, text, 9))
        axes.set_xlabel("KL to the reference, nats a response")
        axes.set_ylabel(y_label)
        settle(axes)
        drawn.canvas.draw()
        place_numbers(axes, points)
        return to_svg(drawn, hits)


def place_numbers(axes: Axes, points: Sequence[Point]) -> None:
    """Each point's number on the first side where it covers no other number and no point."""
    places = axes.transData.transform([(p.x.value, p.y.value) for p in points])
    taken = [Bbox.from_bounds(x - 3, y - 3, 6, 6) for x, y in places]
    for point, (x, y) in zip(points, places, strict=True):
        wide, tall = 0.6 * FONT * len(str(point.mark)), 0.75 * FONT
        boxes = [
            Bbox.from_bounds(
                x + dx - (wide if dx < 0 else wide / 2 if dx == 0 else 0), y + dy, wide, tall
            )
            for dx, dy in SIDES
        ]
        covered = [sum(box.overlaps(other) for other in taken) for box in boxes]
        chosen = boxes[covered.index(min(covered))]
        taken.append(chosen)
        left, low = axes.transData.inverted().transform((chosen.x0, chosen.y0))
        axes.text(left, low, str(point.mark), fontsize=FONT, clip_on=False)
