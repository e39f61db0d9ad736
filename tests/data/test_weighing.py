"""Votes that count by annotator, votes that come out even, and answers in steps."""

from pathlib import Path
from typing import Any

import pytest

from preftune.data import (
    load_comparisons,
    load_stepwise,
    load_weighed,
    read_rows,
    require_annotators,
    weighed_share,
    write_records,
    write_rows,
)
from preftune.records import BadInput, Vote

VOTES = [Vote("ann", "a"), Vote("bob", "b"), Vote("eve", "tie"), Vote("joe", "both_bad")]


def row(*votes: tuple[str, str], **columns: Any) -> dict[str, Any]:
    given = [{"annotator": name, "vote": vote} for name, vote in votes]
    return {"prompt": "p", "response_a": "x", "response_b": "y", "votes": given} | columns


def test_a_share_by_hand() -> None:
    """(3 · 1 + 1 · 0 + 2 · ½) / (3 + 1 + 2) = 4/6; both bad and nobody count nothing."""
    assert weighed_share(VOTES, {"ann": 3.0, "eve": 2.0}) == pytest.approx(4 / 6)
    assert weighed_share(VOTES, {}) == 0.5
    assert weighed_share(VOTES[3:], {}) is None
    assert weighed_share(VOTES[:1], {"ann": 0.0}) is None


def test_equal_weights_are_what_the_loader_says(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    write_rows(path, [row(("a", "a"), ("b", "b"), ("c", "b")), row(("a", "a"), ("b", "tie"))])
    assert load_weighed(path, annotator_weights={}, keep_ties=False) == load_comparisons(path)


def test_weights_turn_a_majority_and_ties_stay_if_wanted(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    write_rows(path, [row(("a", "a"), ("b", "b"), ("c", "b")), row(("b", "tie"), margin=2)])
    (turned,) = load_weighed(path, annotator_weights={"a": 6.0}, keep_ties=False)
    assert (turned.chosen, turned.probability) == ("x", 0.75)
    _, tie = load_weighed(path, annotator_weights={"a": 6.0}, keep_ties=True)
    assert (tie.probability, tie.margin) == (0.5, 2.0)


def test_other_formats_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_rows(path, [{"prompt": "p", "chosen": "x", "rejected": "y"}])
    assert load_weighed(path, annotator_weights={}, keep_ties=True) == load_comparisons(path)
    with pytest.raises(BadInput, match="no column"):
        load_weighed(path, annotator_weights={"a": 1.0}, keep_ties=True)


def test_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    write_rows(path, [row(("a", "a"), ("b", "b"))])
    with pytest.raises(BadInput, match="No pair has votes"):
        load_weighed(path, annotator_weights={"a": 1.0}, keep_ties=False)
    with pytest.raises(BadInput, match="'zoe'.*Annotators: a, b"):
        require_annotators(path, ["a", "zoe"])
    write_rows(path, [row(("a", "a"), margin="wide")])
    with pytest.raises(BadInput, match="not a number"):
        load_weighed(path, annotator_weights={"a": 1.0}, keep_ties=False)


def test_steps_come_back_as_they_were_written(tmp_path: Path) -> None:
    path, again = tmp_path / "steps.jsonl", tmp_path / "again.jsonl"
    rows = [{"prompt": "p", "completions": ["x", "y"], "labels": [True, None], "id": "1"}]
    write_rows(path, rows)
    (answer,) = load_stepwise(path)
    assert (answer.steps, answer.labels) == (("x", "y"), (1.0, None))
    write_records(again, [answer])
    assert load_stepwise(again)[0].labels == (1.0, None)
    assert read_rows(again)[0]["completions"] == ["x", "y"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"completions": []}, "not a list of steps"),
        ({"labels": [True]}, "one label for each step"),
        ({"labels": [True, "no"]}, "'no'"),
        ({"labels": [True, -1]}, "-1"),
        ({"completions": ["x", " "]}, "empty"),
    ],
)
def test_bad_steps(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "steps.jsonl"
    write_rows(path, [{"prompt": "p", "completions": ["x", "y"], "labels": [1, 0]} | change])
    with pytest.raises(BadInput, match=words):
        load_stepwise(path)
