"""A gate inside a run: refused, then let through with another threshold; nothing made twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftune.artifacts import lineage
from preftune.monitoring import Console
from preftune.pipeline import summary as summary_module
from preftune.pipeline.front import show_plan
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import Recipe, parse_recipe
from preftune.records import BadInput, GateRefused

RECIPE = """
[stages.labels]
kind = "dataset"
source = "data:votes.jsonl"

[stages.labels_gate]
kind = "gate"
checks.agreement = { kind = "agreement", labels = "stage:labels/train", at_least = 0.6 }

[stages.again]
kind = "dataset"
source = "stage:labels/train"
"""


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_module, "write_report", lambda out: None)


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """Forty pairs with two votes each: three in four agree."""
    lines = [
        {
            "prompt": f"Which, {place}?",
            "response_a": f"one {place}",
            "response_b": f"two {place}",
            "votes": [
                {"annotator": "x", "vote": "a"},
                {"annotator": "y", "vote": "b" if place % 4 == 0 else "a"},
            ],
        }
        for place in range(40)
    ]
    (tmp_path / "votes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def parsed(folder: Path, *overrides: str) -> Recipe:
    return parse_recipe(RECIPE, [f"data.root={folder}", *overrides])


def run(folder: Path, *overrides: str) -> dict[str, Any]:
    recipe = parsed(folder, *overrides)
    return run_recipe(recipe, RECIPE, folder / "run", Desk(Console("silent")))


def test_a_refusal_names_everything_and_the_same_command_goes_on_later(votes: Path) -> None:
    strict = "stages.labels_gate.checks.agreement.at_least=0.9"
    with pytest.raises(GateRefused) as caught:
        run(votes, strict)
    error = caught.value
    for part in ("labels_gate", "agreement of two labelers", "at least 0.9", "two votes or more"):
        assert part in error.sentence
    assert error.exit_code == 1 and "Sharpen the instructions" in error.remedy
    summary = json.loads((votes / "run" / "summary.json").read_text())
    assert summary["status"] == "refused"
    assert [s["status"] for s in summary["stages"]] == ["done", "refused", "pending"]
    told = json.loads((votes / "run/stages/02-labels_gate.partial/summary.json").read_text())
    assert told["passed"] is False and told["checks"][0]["threshold"] == 0.9

    lenient = "stages.labels_gate.checks.agreement.at_least=0.4"
    done = run(votes, lenient)
    assert done["status"] == "done"
    decision = json.loads((votes / "run/stages/02-labels_gate/decision.json").read_text())
    assert decision["passed"] is True
    assert all(node["kind"] != "missing" for node in lineage(votes / "run")["nodes"])


def test_a_check_that_finds_nothing_is_a_mistake(votes: Path) -> None:
    text = (votes / "votes.jsonl").read_text().replace('{"annotator": "x", "vote": "a"}, ', "")
    (votes / "votes.jsonl").write_text(text)
    with pytest.raises(BadInput, match="needs pairs with two votes"):
        run(votes)


class _Lines(Console):
    def __init__(self) -> None:
        super().__init__("silent")
        self.said: list[str] = []

    def line(self, text: str) -> None:
        self.said.append(text)


def test_the_plan_shows_inputs_and_gates(votes: Path) -> None:
    console = _Lines()
    show_plan(parsed(votes), votes / "run", console)
    assert console.said[1:] == [
        "  1. labels (dataset) reads data:votes.jsonl",
        "  2. labels_gate (gate) reads stage:labels/train",
        "       goes on if agreement at least 0.6",
        "  3. again (dataset) reads stage:labels/train",
    ]
