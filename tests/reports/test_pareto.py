"""The front over several axes of the judge."""

import pytest

from preftune.records import BadInput, Estimate
from preftune.reports import front_rows, pareto_front
from preftune.reports.comparison import render_comparison
from preftune.reports.methods import Comparison, Method
from preftune.reports.pareto import pareto_picture


def method(name: str, **axes: float) -> Method:
    found = {axis: Estimate(value, value - 0.01, value + 0.01, 100) for axis, value in axes.items()}
    return Method(name, "ppo", (0,), ("runs/a",), {}, found)


COMPARED = Comparison(
    "the gold judge",
    "sft",
    (
        method("helpful", help=0.9, harm=0.5),
        method("even", help=0.7, harm=0.2),
        method("worse", help=0.7, harm=0.3),
        method("twin", help=0.7, harm=0.2),
        method("kind", help=0.3, harm=0.1),
        method("unmeasured", help=1.0),
    ),
    ("runs/a",),
    (),
)


def test_who_is_beaten_by_none() -> None:
    """Less harm is better: `worse` has as much help as `even` and more harm; equals both stay."""
    front = pareto_front(COMPARED, ["help", "-harm"])
    assert [m.name for m in front.best] == ["helpful", "even", "twin", "kind"]
    assert [m.name for m in front.methods] == ["helpful", "even", "worse", "twin", "kind"]
    both = pareto_front(COMPARED, ["help", "harm"])
    assert [m.name for m in both.best] == ["helpful"]
    told = front.as_json()
    assert told["axes"] == ["help", "harm"] and told["methods"][2]["best"] is False
    assert [row[1] for row in front_rows(front)] == ["yes", "yes", "", "yes", "yes"]


def test_its_picture_and_its_page() -> None:
    front = pareto_front(COMPARED, ["help", "-harm"])
    chart = pareto_picture(COMPARED, front)
    assert chart is not None and chart.svg.startswith("<svg")
    assert chart.title == "Help and harm by the gold judge"
    assert "worse: harm" in chart.alt and "5 kind" in chart.read
    assert "Help and harm by the gold judge" in render_comparison(COMPARED, front)
    assert "Help and harm" not in render_comparison(COMPARED)


@pytest.mark.parametrize(
    ("axes", "says"), [(["help"], "two axes"), (["help", "-help"], "two axes"), (["a", "b"], "'a'")]
)
def test_what_is_no_front(axes: list[str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        pareto_front(COMPARED, axes)
