"""Rewards in a run: functions and models of a recipe, their hashes, their breakdown."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftune.artifacts import hash_callable, read_manifest
from preftune.monitoring import Console, read_metrics
from preftune.pipeline import summary as summary_module
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import parse_recipe
from preftune.records import BadInput, RunFailed
from preftune.rewards import load_callable
from tests.models.made import TEXTS
from tests.rewards.made import Write, module_writer

SHAPE = "{ hidden_size = 32, layers = 1, heads = 2, intermediate_size = 32, context = 48 }"
RECIPE = f"""
machine = {{ threads = 1, device = "cpu" }}

[stages.base]
kind = "pretrain"
architecture = {SHAPE}
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 4
batch_tokens = 128

[stages.other]
kind = "pretrain"
architecture = {SHAPE}
vocab_size = 280
data = ["data:documents.jsonl"]
steps = 2
batch_tokens = 128

[stages.reward]
kind = "reward_model"
model = "stage:other"
train = "data:pairs.jsonl"
batch_size = 4

[stages.ppo]
kind = "ppo"
policy = "stage:base"
prompts = "data:prompts.jsonl"
iterations = 2
rollouts = 12
critic_warmup = 0
sampling = {{ max_new_tokens = 6 }}
missing_eos = {{ kind = "keep" }}
rewards.short = {{ callable = "my_rewards:short", weight = -0.5 }}
rewards.known = {{ callable = "my_rewards:known" }}
rewards.model = {{ model = "stage:reward", weight = 2 }}
"""
MODEL = 'rewards.model = { model = "stage:reward", weight = 2 }\n'
SHORT = 'rewards.short = { callable = "my_rewards:short", weight = -0.5 }\n'
RULES = """
def short(completions):
    return [float(len(text)) for text in completions]

async def known(prompts, kind):
    return [1.0 if k == "odd" else None for k in kind]
"""


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report has tests of its own."""
    monkeypatch.setattr(
        summary_module, "write_report", lambda out: (out / "report.html").write_text("a report")
    )


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    writer = module_writer(tmp_path, monkeypatch)
    writer(RULES)
    return writer


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows: dict[str, list[dict[str, Any]]] = {
        "documents": [{"text": text} for text in TEXTS],
        "pairs": [{"prompt": t[:15], "chosen": t[15:], "rejected": "No."} for t in TEXTS[:8]],
        "prompts": [
            {"prompt": text[:15], "id": str(n), "kind": "odd" if n % 2 else "even"}
            for n, text in enumerate(TEXTS[:6])
        ],
    }
    for name, lines in rows.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{name}.jsonl").write_text(text)
    return tmp_path


def run(data: Path, *overrides: str) -> Path:
    recipe = parse_recipe(RECIPE, [f"data.root={data}", *overrides])
    run_recipe(recipe, RECIPE, data / "run", Desk(Console("silent")))
    return data / "run" / "stages" / "04-ppo"


def test_functions_and_a_model_with_its_own_tokenizer_add_up(data: Path, write: Write) -> None:
    folder = run(data, "stages.ppo.value_model='stage:base'")
    rows = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * 8
    assert {row["policy_version"] for row in rows} == {"iteration-0", "iteration-1"}
    odd = {text[:15] for n, text in enumerate(TEXTS[:6]) if n % 2}
    for row in rows:
        parts = row["rewards"]
        assert parts["short"] == len(row["completion"])
        assert parts.get("known") == (1.0 if row["prompt"] in odd else None)
        total = -0.5 * parts["short"] + parts.get("known", 0.0) + 2 * parts["model"]
        assert row["score"] == pytest.approx(total)
    for metrics in read_metrics(folder / "metrics.jsonl"):
        expected = (
            -0.5 * metrics["rewards/short/mean"]
            + 0.5 * metrics["rewards/known/mean"]  # it applies to half of the prompts
            + 2 * metrics["rewards/model/mean"]
        )
        assert metrics["objective/scores"] == pytest.approx(expected, abs=1e-4)
        assert metrics["rewards/known/mean"] == 1.0 and metrics["rewards/known/std"] == 0.0
        assert metrics["rewards/short/std"] > 0


def test_a_changed_function_is_another_stage(data: Path, write: Write) -> None:
    recipe = RECIPE.replace(MODEL, "")

    def identity() -> str:
        parsed = parse_recipe(recipe, [f"data.root={data}", "stages.ppo.value_model='stage:base'"])
        run_recipe(parsed, recipe, data / "run", Desk(Console("silent")))
        manifest = read_manifest(data / "run" / "stages" / "04-ppo")
        assert manifest.callables == {
            name: hash_callable(load_callable(f"my_rewards:{name}")) for name in ("short", "known")
        }
        return manifest.identity

    first = identity()
    assert identity() == first
    write(RULES.replace("float(len(text))", "2.0 * len(text)"))
    assert identity() != first


def test_a_missing_function_is_told_before_anything_runs(data: Path, write: Write) -> None:
    with pytest.raises(BadInput, match="There is no 'shrt' in the module 'my_rewards'"):
        run(data, "stages.ppo.rewards.short.callable='my_rewards:shrt'")
    assert not (data / "run").exists()


def test_no_reward_that_applies_ends_the_run_naming_the_row(data: Path, write: Write) -> None:
    recipe = RECIPE.replace(MODEL, "")
    recipe = recipe.replace(
        'rewards.short = { callable = "my_rewards:short", weight = -0.5 }\n', ""
    )
    parsed = parse_recipe(recipe, [f"data.root={data}"])
    with pytest.raises(RunFailed, match=r"prompt '[024]': known all say None"):
        run_recipe(parsed, recipe, data / "run", Desk(Console("silent")))


def test_a_value_network_of_another_tokenizer_is_refused(data: Path, write: Write) -> None:
    with pytest.raises(BadInput, match="the two tokenizers differ") as refused:
        run(data)
    assert "value_model" in refused.value.remedy


def test_without_a_model_the_value_network_starts_from_the_policy(data: Path, write: Write) -> None:
    recipe = RECIPE.replace(MODEL, "")
    parsed = parse_recipe(recipe, [f"data.root={data}"])
    run_recipe(parsed, recipe, data / "run", Desk(Console("silent")))
    manifest = read_manifest(data / "run" / "stages" / "04-ppo")
    assert set(manifest.outputs) == {"model", "value"}


def test_rules_and_judges_stand_beside_models(
    write: Write, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum is that of its parts, a rule's and two judges' among them."""
    parts = """
rewards.words = { rule = { kind = "length", most = 3, falloff = 5 }, weight = 0.5 }
rewards.rated = { judge = { model = "stage:other", highest = 5 } }
rewards.graded = { judge = { model = "stage:other", propositions.kind = { text = "Is it kind?", weight = -2.0 } } }
"""  # noqa: E501
    recipe_text = RECIPE.replace(SHORT, "") + parts
    overrides = [f"data.root={data}", "stages.ppo.value_model='stage:base'"]
    recipe = parse_recipe(recipe_text, overrides)
    run_recipe(recipe, recipe_text, data / "run", Desk(Console("silent")))
    (stage,) = (data / "run").glob("stages/*-ppo")
    rows = [json.loads(line) for line in (stage / "rollouts.jsonl").read_text().splitlines()]
    assert rows
    weights = {"known": 1, "model": 2, "words": 0.5, "rated": 1, "graded": 1}
    for row in rows:
        told = row["rewards"]
        assert {"model", "words", "rated", "graded"} <= set(told)
        assert 0 <= told["words"] <= 1 and -1 <= told["rated"] <= 1 and -2 <= told["graded"] <= 0
        total = sum(weights[name] * value for name, value in told.items())
        assert row["score"] == pytest.approx(total, abs=1e-4)
