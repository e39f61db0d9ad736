"""Several axes of the judge at one time: which methods no other one beats on all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib

from preftune.records import BadInput
from preftune.reports.curves import Chart
from preftune.reports.figures import COLOURS, SETTINGS, Hit, new_figure, settle, to_svg
from preftune.reports.frontier import Point, place_numbers
from preftune.reports.methods import Comparison, Method
from preftune.reports.wording import figure, interval, listed


@dataclass(frozen=True, slots=True)
class ParetoFront:
    """The methods measured on these axes; ``best`` are those that none is at least as good as on
    every axis and better on one."""

    axes: tuple[str, ...]
    methods: tuple[Method, ...]
    best: tuple[Method, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "axes": list(self.axes),
            "methods": [
                {"method": method.name, "best": method in self.best}
                | {axis: method.axes[axis].as_json() for axis in self.axes}
                for method in self.methods
            ],
        }


def pareto_front(compared: Comparison, axes: Sequence[str]) -> ParetoFront:
    """The front over axes where more is better; ``-NAME`` is an axis where less is.

    Raises :class:`BadInput` for an axis that nothing was measured on, and for fewer than two.
    """
    names = [axis.removeprefix("-") for axis in axes]
    if len(set(names)) < 2:
        raise BadInput("A front needs at least two axes.", remedy="Write --front AXIS,AXIS.")
    known = sorted({axis for method in compared.methods for axis in method.axes})
    for name in names:
        if name not in known:
            raise BadInput(
                f"No method was judged on {name!r}.",
                remedy=f"There are {', '.join(known)}." if known else "Evaluate with a judge.",
            )
    measured = [m for m in compared.methods if all(name in m.axes for name in names)]
    signs = [-1.0 if axis.startswith("-") else 1.0 for axis in axes]
    values = [
        tuple(sign * m.axes[name].value for sign, name in zip(signs, names, strict=True))
        for m in measured
    ]
    best = [m for m, mine in zip(measured, values, strict=True) if not _beaten(mine, values)]
    return ParetoFront(tuple(names), tuple(measured), tuple(best))


def pareto_picture(compared: Comparison, front: ParetoFront) -> Chart | None:
    """The first axis over the second, the front's methods filled; None with fewer than two."""
    if len(front.methods) < 2:
        return None
    up, right = front.axes[:2]
    marks = {method.name: mark for mark, method in enumerate(compared.methods, start=1)}
    points = [Point(marks[m.name], m.label, m.axes[right], m.axes[up]) for m in front.methods]
    best = {marks[method.name] for method in front.best}
    words = "; ".join(f"{p.name}: {right} {interval(p.x)}, {up} {interval(p.y)}" for p in points)
    names = listed([f"{p.mark} {p.name}" for p in points if p.mark in best])
    return Chart(
        title=f"{up.capitalize()} and {right} by {compared.judge}",
        svg=_drawn(points, best, (right, up)),
        alt=f"{up} over {right}. {words}.",
        read=f"Bars are 95 % intervals. No other method is at least as good on "
        f"{listed(list(front.axes))} and better on one than {names}.",
    )


def _drawn(points: Sequence[Point], best: set[int], labels: tuple[str, str]) -> str:
    with matplotlib.rc_context(SETTINGS):
        drawn, (axes,) = new_figure(330)
        hits = []
        for point in points:
            x, y, on = point.x, point.y, point.mark in best
            colour = COLOURS["s1" if on else "s2"]
            axes.plot((x.low, x.high), (y.value, y.value), color=colour, linewidth=1.1, alpha=0.7)
            axes.plot((x.value, x.value), (y.low, y.high), color=colour, linewidth=1.1, alpha=0.7)
            axes.plot((x.value,), (y.value,), marker="o" if on else "s", markersize=5, color=colour)
            text = f"{point.mark} {point.name}: {figure(y.value)} at {figure(x.value)}"
            hits.append(Hit(axes, x.value, y.value, text, 9))
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        settle(axes)
        drawn.canvas.draw()
        place_numbers(axes, points)
        return to_svg(drawn, hits)


def _beaten(mine: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> bool:
    return any(
        other != mine and all(a >= b for a, b in zip(other, mine, strict=True)) for other in others
    )


def front_rows(front: ParetoFront) -> list[tuple[str, ...]]:
    """A line a method: its name, whether it is on the front, its axes with intervals."""
    return [
        (
            method.label,
            "yes" if method in front.best else "",
            *(interval(method.axes[axis]) for axis in front.axes),
        )
        for method in front.methods
    ]
