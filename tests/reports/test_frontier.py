"""The frontier: who is on it, and that numbers stand beside their points without overlapping."""

import re

import matplotlib
import pytest
from matplotlib.figure import Figure

from preftune.records import Estimate
from preftune.reports.figures import SETTINGS
from preftune.reports.frontier import Point, frontier_chart, place_numbers, undominated


def point(mark: int, x: float, y: float, half: float = 0.0) -> Point:
    return Point(
        mark,
        f"method {mark}",
        Estimate(x, x - half, x + half, 5),
        Estimate(y, y - half, y + half, 5),
    )


def test_on_the_frontier_nobody_has_more_at_less() -> None:
    points = [point(1, 2, 0.8), point(2, 1, 0.7), point(3, 1.5, 0.6), point(4, 3, 0.8)]
    assert [p.mark for p in undominated(points)] == [2, 1]


def test_of_two_at_one_distance_the_higher_counts() -> None:
    assert [p.mark for p in undominated([point(1, 1, 0.5), point(2, 1, 0.6)])] == [2]


def test_every_method_can_be_pointed_at_with_its_numbers() -> None:
    svg = frontier_chart([point(1, 1.5, 0.7, 0.1), point(2, 2.5, 0.9, 0.1)], "score")
    titles = re.findall(r"<title>([^<]*)</title>", svg)
    assert titles == ["1 method 1: 0.70 at 1.50 nats", "2 method 2: 0.90 at 2.50 nats"]


def test_error_bars_reach_the_ends_of_the_intervals() -> None:
    """Axes are as wide as the bars: a bar twice as long gives a wider range."""
    wide, narrow = (
        re.findall(r">([\d.]+)</text>", frontier_chart([point(1, 1, 0.5, half)] * 2, "score"))
        for half in (0.4, 0.04)
    )
    assert "1.4" in " ".join(wide) or "1.2" in " ".join(wide)
    assert wide != narrow


@pytest.mark.parametrize("count", [4, 12, 20])
def test_numbers_of_close_methods_do_not_cover_each_other(count: int) -> None:
    """Points on a spiral a few pixels apart: every number has a place of its own."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(340 / 72, 330 / 72), dpi=72)
        axes = figure.subplots()
        points = [point(n, (n % 5) * 0.9, (n // 5) * 0.9) for n in range(1, count + 1)]
        axes.set_xlim(-1, 6)
        axes.set_ylim(-1, 6)
        figure.canvas.draw()
        place_numbers(axes, points)
        boxes = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == [str(n) for n in range(1, count + 1)]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i]), points[i]
