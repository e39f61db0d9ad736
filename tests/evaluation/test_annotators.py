"""Agreement with each annotator, counted by hand."""

import pytest

from preftune.evaluation.annotators import agreement_by_annotator
from preftune.records import BadInput, Comparison, Prompt


def row(place: int, *votes: tuple[str, str, str], chosen: str = "x") -> Comparison:
    given = [{"annotator": who, "group": group, "vote": vote} for who, group, vote in votes]
    columns = {"votes": given, "response_a": "x", "response_b": "y"}
    rejected = "y" if chosen == "x" else "x"
    return Comparison(Prompt(f"p{place}"), chosen, rejected, columns=columns)


ROWS = [
    row(0, ("ann", "warm", "a"), ("ben", "brisk", "b")),
    row(1, ("ann", "warm", "a"), ("ben", "brisk", "a"), ("cid", "brisk", "tie")),
    row(2, ("ann", "warm", "b"), ("ben", "brisk", "b"), chosen="y"),
    row(3, ("ann", "warm", "both_bad"), ("ben", "brisk", "a")),
]


def test_by_annotator_and_group() -> None:
    """The score prefers chosen, chosen, rejected, neither: x, x, x and nobody."""
    found = agreement_by_annotator([1.0, 2.0, -1.0, 0.0], ROWS, fewest=1)
    ann, ben = found["annotator"]["ann"], found["annotator"]["ben"]
    assert ann.value == pytest.approx((1 + 1 + 0) / 3) and ann.count == 3
    assert ben.value == pytest.approx((0 + 1 + 0 + 0.5) / 4)
    assert "cid" not in found["annotator"], "a tie takes no side"
    assert found["group"]["brisk"].value == ben.value


def test_few_votes_are_left_out() -> None:
    assert agreement_by_annotator([1.0] * 4, ROWS) == {}


def test_rows_without_votes() -> None:
    assert agreement_by_annotator([1.0], [Comparison(Prompt("p"), "x", "y")]) == {}
    with pytest.raises(BadInput):
        agreement_by_annotator([1.0, 2.0], ROWS)
