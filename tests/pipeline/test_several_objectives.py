"""Several objectives in a run: a switch, a soup of its policies, weights in the prompt."""

import json
from pathlib import Path

import pytest
import torch

from preftune.artifacts import read_manifest
from preftune.data import read_rows
from preftune.monitoring import Console, read_metrics
from preftune.pipeline.conversation import open_conversation
from preftune.pipeline.profiles import open_profiled
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import parse_recipe
from preftune.records import BadInput, Sampling
from tests.pipeline.test_rewards import RECIPE, data  # noqa: F401

BASE = RECIPE[: RECIPE.index("[stages.other]")]
PLAIN = """
prompts = "data:prompts.jsonl"
iterations = 2
rollouts = 12
sampling = { max_new_tokens = 6 }
missing_eos = { kind = "keep" }
rewards.short = { rule = { kind = "length", most = 2, falloff = 4 } }
rewards.vowels = { rule = { kind = "regex", pattern = "[aeiou]" } }
"""
STAGES = f"""
[stages.short]
kind = "rloo"
policy = "stage:base"
samples = 2
safety_switch = {{ helpful = "short", safe = "vowels", column = "kind", threshold = 0.5 }}
{PLAIN}
[stages.kept]
kind = "rloo"
policy = "stage:base"
samples = 2
{PLAIN}
rewards.long = {{ rule = {{ kind = "length", least = 3 }}, constraint = {{ most = 0.1, start = 0.5 }}, gate = {{ most = 0.9, score = -2.0 }} }}
[stages.told]
kind = "rloo"
policy = "stage:base"
samples = 2
weights_in_prompt = {{ parts = ["short", "vowels"], steps = 1, words = "<{{weights}}> " }}
{PLAIN}
[stages.other]
kind = "rloo"
policy = "stage:short"
samples = 2
{PLAIN}
[stages.between]
kind = "soup"
policies = {{ short = "stage:short", kept = "stage:kept" }}
weights = {{ short = 1, kept = 3 }}
[stages.evaluation]
kind = "evaluate"
policies = {{ base = "stage:base", between = "stage:between", told = "stage:told", even = "stage:told" }}
profiles.told = {{ short = 1 }}
prompts = "data:prompts.jsonl"
reference = "base"
sampling = {{ max_new_tokens = 6 }}
"""  # noqa: E501


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preftune.pipeline.summary.write_report", lambda out: None)


def test_a_run_with_all_of_it(data: Path) -> None:  # noqa: F811
    text = BASE + STAGES
    run_recipe(
        parse_recipe(text, [f"data.root={data}"]), text, data / "run", Desk(Console("silent"))
    )
    stages = {path.name[3:]: path for path in (data / "run" / "stages").iterdir()}

    switched = read_metrics(stages["short"] / "metrics.jsonl")
    for row in switched:  # whitened over the iteration
        assert row["proxy/score"] == pytest.approx(0.0, abs=1e-5)
        assert row["proxy/score_std"] == pytest.approx((11 / 12) ** 0.5, abs=1e-4)

    kept = read_rows(stages["kept"] / "rollouts.jsonl")
    for row in kept:
        parts = row["rewards"]
        plain = parts["short"] + parts["vowels"]
        assert row["score"] == pytest.approx(-2.0 if parts["long"] > 0.9 else plain)
    prices = read_metrics(stages["kept"] / "metrics.jsonl")
    assert prices[0]["constraints/long/multiplier"] == 0.5
    moved = 0.5 + 0.1 * (prices[0]["rewards/long/mean"] - 0.1)
    assert prices[1]["constraints/long/multiplier"] == pytest.approx(moved)
    priced = prices[0]["proxy/score"] - 0.5 * prices[0]["rewards/long/mean"]
    assert prices[0]["objective/scores"] == pytest.approx(priced, abs=1e-5)

    told = read_rows(stages["told"] / "rollouts.jsonl")
    for row in told:
        weighed = "short" if row["prompt"].startswith("<short=1,vowels=0> ") else "vowels"
        assert row["prompt"].startswith(("<short=1,vowels=0> ", "<short=0,vowels=1> "))
        assert row["score"] == pytest.approx(row["rewards"][weighed])
    assert len({row["prompt"][:18] for row in told}) == 2
    config = json.loads((stages["told"] / "model/config.json").read_text())
    assert config["weights_in_prompt"]["parts"] == ["short", "vowels"]

    manifest = read_manifest(stages["between"])
    assert {parent.stage for parent in manifest.parents} == {"short", "kept"}
    summary = json.loads((stages["evaluation"] / "summary.json").read_text())
    assert set(summary["policies"]) == {"base", "between", "told", "even"}
    samples = (stages["evaluation"] / "samples.jsonl").read_text()
    assert "short=" not in samples, "nobody but the policy sees the weights"

    _profiles_of_the_run(stages, data)


def _profiles_of_the_run(stages: dict[str, Path], folder: Path) -> None:
    cpu = torch.device("cpu")
    profiles = folder / "profiles.toml"
    profiles.write_text(f'[policies]\na = "{stages["short"]}"\nb = "{stages["kept"]}"\n')
    mixed = open_profiled(f"{profiles}@a=1,b=3", cpu).policy.state_dict()
    between = open_profiled(stages["between"], cpu).policy.state_dict()
    for name, tensor in between.items():
        torch.testing.assert_close(tensor, mixed[name])
    talk = open_conversation(f"{stages['told']}@short=1", Sampling(4, temperature=0.0))
    assert talk.said == "<short=1,vowels=0> " and list(talk.say("Hello"))
    with pytest.raises(BadInput, match="has no profiles"):
        open_profiled(f"{stages['short']}@a=1", cpu)
    profiles.write_text(f'[policies]\na = "{stages["short"]}"\nb = "{stages["other"]}"\n')
    with pytest.raises(BadInput, match="not tuned from one start"):
        open_profiled(profiles, cpu)
