"""Gathering rows of several rounds, and promoting or rolling back by what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from preftune.artifacts import hash_path
from preftune.monitoring import Console
from preftune.pipeline.context import StageContext
from preftune.pipeline.stages import gather, promote
from preftune.recipe import Gather, Promote, Section
from preftune.records import BadInput


def context(folder: Path, settings: Section, inputs: dict[str, Path]) -> StageContext[Any]:
    place = folder / "stage"
    place.mkdir(exist_ok=True)
    return StageContext(
        name="x",
        settings=settings,
        inputs=inputs,
        hashes={},
        folder=place,
        seed=0,
        device=torch.device("cpu"),
        console=Console("silent"),
    )


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pair(name: str) -> dict[str, str]:
    return {"prompt": name, "chosen": "yes", "rejected": "no"}


def test_rows_come_in_order_and_once(tmp_path: Path) -> None:
    inputs = {
        "sources.0": written(tmp_path / "a.jsonl", pair("1"), pair("2")),
        "sources.1": written(tmp_path / "b.jsonl", pair("2"), pair("3")),
    }
    outcome = gather.run(context(tmp_path, Gather(sources=("a", "b")), inputs))
    rows = [json.loads(line) for line in (tmp_path / "stage/rows.jsonl").read_text().splitlines()]
    assert [row["prompt"] for row in rows] == ["1", "2", "3"]
    assert outcome.summary == {"files": 2, "rows": 3, "said_twice": 1}


def test_files_of_two_formats_do_not_go_together(tmp_path: Path) -> None:
    inputs = {
        "sources.0": written(tmp_path / "a.jsonl", pair("1")),
        "sources.1": written(tmp_path / "b.jsonl", {"text": "a document"}),
    }
    with pytest.raises(BadInput, match="Its rows are text"):
        gather.run(context(tmp_path, Gather(sources=("a", "b")), inputs))


@pytest.mark.parametrize(("low", "chosen"), [(0.55, "candidate"), (0.45, "incumbent")])
def test_the_better_end_of_a_round_goes_on(tmp_path: Path, low: float, chosen: str) -> None:
    folders = {}
    for name in ("candidate", "incumbent"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        (folders[name] / "weights").write_text(name)
    estimate = {"value": 0.6, "low": low, "high": 0.7, "count": 90}
    rate = {"policy": "after", "against": "before", "win_rate": estimate}
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps({"win_rates": [rate]}))
    check = {"kind": "win_rate", "of": "s", "policy": "after", "against": "before"}
    settings = Promote.model_validate(
        {"candidate": "c", "incumbent": "i", "checks": {"wins": check}}
    )
    outcome = promote.run(context(tmp_path, settings, folders | {"checks.wins.of": summary}))
    assert outcome.summary["promoted"] is (chosen == "candidate")
    assert outcome.summary["model_is"] == chosen
    assert hash_path(tmp_path / "stage" / "model") == hash_path(folders[chosen])
