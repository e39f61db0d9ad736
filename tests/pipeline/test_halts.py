"""A guard's halt in a run: exit, what is left, going on, and that nothing is trained twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftune.monitoring import Console
from preftune.pipeline import summary as summary_module
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import parse_recipe
from preftune.records import RunFailed
from preftune.training import Training
from tests.models.made import TEXTS

RECIPE = """
machine = { threads = 1, device = "cpu" }

[stages.base]
kind = "pretrain"
architecture = { hidden_size = 32, layers = 1, heads = 2, intermediate_size = 32, context = 48 }
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 2
batch_tokens = 128

[stages.reinforce]
kind = "reinforce"
policy = "stage:base"
rewards.long = { callable = "tests.pipeline.test_halts:length" }
prompts = "data:prompts.jsonl"
iterations = 4
rollouts = 8
checkpoint_every = 1
sampling = { max_new_tokens = 6 }
optimizer = { learning_rate = 1e-3 }
guards = { start = 1, window = 1, kl = { warn = 1e-7, halt = 1e-7 } }

[stages.candidates]
kind = "candidates"
policies.tuned = { model = "stage:reinforce", samples = 2 }
prompts = "data:prompts.jsonl"
sampling = { max_new_tokens = 6 }
"""


def length(prompts: list[str], completions: list[str], **columns: Any) -> list[float]:
    return [float(len(text)) for text in completions]


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary_module, "write_report", lambda out: None)


def run(folder: Path, *overrides: str) -> dict[str, Any]:
    recipe = parse_recipe(RECIPE, [f"data.root={folder}", *overrides])
    return run_recipe(recipe, RECIPE, folder / "run", Desk(Console("silent")))


def test_a_halt_ends_the_run_and_its_model_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"documents": [{"text": t} for t in TEXTS], "prompts": [{"prompt": "Ask"}]}
    for name, lines in rows.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text)
    with pytest.raises(RunFailed, match="The guard kl stopped stage reinforce") as caught:
        run(tmp_path)
    assert "on_halt=continue" in caught.value.remedy and caught.value.exit_code == 1
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert [s["status"] for s in summary["stages"]] == ["done", "halted", "pending"]
    stage = json.loads((tmp_path / "run/stages/02-reinforce/summary.json").read_text())
    assert stage["halt"]["guard"] == "kl" and stage["halt"]["kept_step"] >= 1
    assert [e["level"] for e in stage["guards"] if e["guard"] == "kl"] == ["halt"]
    assert (tmp_path / "run/stages/02-reinforce/model/config.json").exists()

    monkeypatch.setattr(Training, "step", None)
    with pytest.raises(RunFailed, match="The guard kl stopped"):
        run(tmp_path)
    done = run(tmp_path, "stages.reinforce.guards.on_halt=continue")
    assert done["status"] == "done"
    assert [s["status"] for s in done["stages"]] == ["done", "halted", "done"]
