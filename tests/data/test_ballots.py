"""Votes are read whatever the responses are."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftune.data import load_ballots
from preftune.records import BadInput


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(*votes: dict[str, Any], **columns: Any) -> dict[str, Any]:
    return {"prompt": "p", "response_a": "x", "response_b": "y", "votes": list(votes)} | columns


ANN = {"annotator": "ann", "vote": "a", "group": "crowd"}


def test_empty_and_equal_responses_keep_their_votes(tmp_path: Path) -> None:
    file = written(
        tmp_path / "votes.jsonl", row(ANN), row(ANN, response_b=""), row(ANN, response_b="x")
    )
    ballots = load_ballots(file)
    assert [ballot.line for ballot in ballots] == [1, 2, 3]
    assert ballots[1].votes[0].annotator == "ann" and ballots[1].votes[0].group == "crowd"


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="votes twice") as twice:
        load_ballots(written(tmp_path / "twice.jsonl", row(ANN), row(ANN, ANN)))
    assert twice.value.line == 2
    wrong = written(tmp_path / "wrong.jsonl", row(ANN), row({"annotator": "b", "vote": "c"}))
    with pytest.raises(BadInput, match='A vote is "c"') as fault:
        load_ballots(wrong)
    assert fault.value.line == 2
    assert len(load_ballots(wrong, skip_bad=1)) == 1
    with pytest.raises(BadInput):
        load_ballots(written(tmp_path / "pairs.jsonl", {"prompt": "p", "chosen": "x"}))
