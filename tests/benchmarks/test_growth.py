"""Growth of cost: the slopes, and that one size moves at a time."""

import pytest

from benchmarks.growth import AXES, Point, markdown, points, slope


def test_a_slope_is_the_exponent() -> None:
    sizes = [10.0, 20.0, 40.0]
    assert slope(sizes, [3.0 * size**2 for size in sizes]) == pytest.approx(2.0)
    assert slope(sizes, [7.0 * size for size in sizes]) == pytest.approx(1.0)


def test_one_size_moves_at_a_time() -> None:
    plain = Point("", 0)
    for point in points():
        moved = {
            name
            for name in ("rows", "width", "length")
            if getattr(point, name) != getattr(plain, name)
        }
        assert moved <= {point.axis} or point.axis == "new tokens"
        assert point.size == (
            point.new if point.axis == "new tokens" else getattr(point, point.axis)
        )
    assert len(points()) == sum(len(sizes) for sizes in AXES.values())


def test_the_table_has_a_row_for_each_axis() -> None:
    told = [
        {"axis": "rows", "size": 4, "seconds": 1.0, "bytes": 2_000_000},
        {"axis": "rows", "size": 8, "seconds": 2.0, "bytes": 8_000_000},
        {"axis": "width", "size": 4, "seconds": 1.0, "bytes": 1_000_000},
        {"axis": "width", "size": 8, "seconds": 4.0, "bytes": 1_000_000},
    ]
    head, _, rows, width = markdown(told).splitlines()
    assert head.startswith("| grows |")
    assert rows == "| rows | 4, 8 | 1, 2 | 1.00 | 2, 8 | 2.00 |"
    assert width == "| width | 4, 8 | 1, 4 | 2.00 | 1, 1 | 0.00 |"
