"""Offline methods with one file and one limit learn from the same rows."""

import json
from pathlib import Path

import pytest

from preftune.pipeline.stages.offline import records_of
from preftune.records import Comparison, Judged, Rewarded


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [{"prompt": f"p{n}", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(10)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_they_are_evenly_spaced_and_the_same_for_all(pairs: Path) -> None:
    compared = records_of(Comparison, pairs, 0, 4)
    assert [pair.prompt.text for pair in compared] == ["p0", "p2", "p5", "p7"]
    sides = [text for pair in compared for text in (pair.chosen, pair.rejected)]
    assert [one.completion for one in records_of(Judged, pairs, 0, 4)] == sides
    rewarded = records_of(Rewarded, pairs, 0, 4)
    assert [one.completion for one in rewarded] == sides
    assert [one.reward for one in rewarded] == [1.0, -1.0] * 4


@pytest.mark.parametrize("limit", [None, 10, 11])
def test_without_a_limit_or_with_a_large_one_all_are_read(pairs: Path, limit: int | None) -> None:
    assert len(records_of(Comparison, pairs, 0, limit)) == 10
    assert len(records_of(Rewarded, pairs, 0, limit)) == 20
