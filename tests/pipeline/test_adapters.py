"""Adapters in a run: one body for policy, value and reward, folders that load, exact resumption."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from preftune.algorithms.offline import all_logprobs
from preftune.algorithms.reference_file import digest_of
from preftune.artifacts import read_manifest
from preftune.data import load, write_rows
from preftune.models import load_policy, load_reward_model, load_tokenizer, renderer_for
from preftune.monitoring import Console, read_metrics
from preftune.pipeline import summary as summary_module
from preftune.pipeline.run import Desk, run_recipe
from preftune.pipeline.stages import on_policy
from preftune.recipe import parse_recipe
from preftune.records import Comparison
from preftune.training import Training
from preftune.training.owned import TRAINED
from tests.models.made import CPU, TEXTS

SHAPE = (
    "{ hidden_size = 32, layers = 2, heads = 2, intermediate_size = 32, context = 48, "
    "initializer_range = 0.2 }"
)
BASE = f"""
machine = {{ threads = 1, device = "cpu" }}

[stages.base]
kind = "pretrain"
architecture = {SHAPE}
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 4
batch_tokens = 128
"""
REWARD = """
[stages.reward]
kind = "reward_model"
model = "stage:base"
train = "data:pairs.jsonl"
batch_size = 4
adapter = { rank = 4, merge = MERGE }
optimizer.learning_rate = 1e-2
"""
PPO = """
[stages.ppo]
kind = "ppo"
policy = "stage:base"
reward_model = "stage:reward"
prompts = "data:prompts.jsonl"
iterations = 2
rollouts = 8
critic_warmup = 0
checkpoint_every = 1
sampling = { max_new_tokens = 6 }
adapter = { rank = 4, merge = MERGE }
optimizer.learning_rate = 1e-2
"""
DPO = """
[stages.dpo]
kind = "dpo"
model = "stage:base"
train = "data:pairs.jsonl"
batch_size = 4
checkpoint_every = 1
adapter = { rank = 4 }
optimizer.learning_rate = 1e-2
"""


def pairs() -> list[dict[str, str]]:
    return [
        {"prompt": text[:20], "chosen": text[20:40], "rejected": text[25:50] + str(n)}
        for n, text in enumerate(TEXTS[:8])
    ]


def run(folder: Path, text: str, out: str = "run") -> tuple[Path, dict[str, Any]]:
    """The run's folder and what it said of itself."""
    folder.mkdir(exist_ok=True)
    write_rows(folder / "documents.jsonl", [{"text": text} for text in TEXTS])
    write_rows(folder / "pairs.jsonl", pairs())
    write_rows(folder / "prompts.jsonl", [{"prompt": text[:12]} for text in TEXTS[:6]])
    recipe = parse_recipe(text, [f"data.root={folder}"])
    summary = run_recipe(recipe, text, folder / out, Desk(Console("silent", StringIO())))
    return folder / out / "stages", summary


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next(folder.glob("*model.safetensors")))


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report has tests of its own."""
    monkeypatch.setattr(
        summary_module, "write_report", lambda out: (out / "report.html").write_text("a report")
    )


HELD = 'rank = 4, quantize = "nf4"'
"""Four bits a weight beneath the adapter."""


@pytest.mark.parametrize(
    ("merge", "settings"), [("true", "rank = 4"), ("false", "rank = 4"), ("false", HELD)]
)
def test_policy_value_and_reward_over_one_body(
    merge: str, settings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reward model's adapter stays one where it was not merged; then one body carries all."""
    seen: list[Any] = []
    story = on_policy.STORIES["ppo"]

    def watched(settings: Any, inputs: Any, engine: Any, score: Any, *more: Any) -> Any:
        bodies = (inputs.policy.model, inputs.reference.model, inputs.value.model)
        seen.append([body is bodies[0] for body in bodies])
        seen.append(list(inputs.policy.model.peft_config))
        return story(settings, inputs, engine, score, *more)

    monkeypatch.setitem(on_policy.STORIES, "ppo", watched)
    text = (BASE + REWARD + PPO).replace("MERGE", merge).replace("rank = 4", settings)
    stages, _ = run(tmp_path, text)
    assert seen[0] == [True, True, merge == "false"]
    assert seen[1] == (["policy", "reward_model", "value"] if merge == "false" else ["policy"])

    rows = read_metrics(stages / "03-ppo" / "metrics.jsonl")
    assert rows[0]["objective/kl"] == 0.0 and rows[1]["objective/kl"] != 0.0
    assert rows[0]["first_pass/ratio_max_error"] < 1e-4
    base = load_policy(stages / "01-base" / "model", CPU).state_dict()
    policy = load_policy(stages / "03-ppo" / "model", CPU).state_dict()
    changed = {name for name in base if not torch.equal(base[name], policy[name])}
    assert changed == {name for name in base if name.endswith("_proj.weight")}
    value = load_reward_model(stages / "03-ppo" / "value", CPU)
    assert not torch.equal(value.model.state_dict()["norm.weight"], torch.zeros(32))
    adapter = stages / "02-reward" / "model" / "adapter_config.json"
    assert adapter.exists() == (merge == "false")


def test_one_body_or_two_reach_the_same_numbers(tmp_path: Path) -> None:
    """A merged reward model has a body of its own: the same scores, up to rounding."""
    found = []
    for merge in ("true", "false"):
        text = BASE + REWARD.replace("MERGE", merge) + PPO.replace("MERGE", "true")
        text = text.replace("iterations = 2", 'iterations = 1\nvalue_model = "stage:base"')
        stages, _ = run(tmp_path / merge, text)
        found.append(read_metrics(stages / "03-ppo" / "metrics.jsonl")[0])
    for name in ("objective/scores", "objective/rlhf_reward", "loss/policy_avg"):
        assert found[0][name] == pytest.approx(found[1][name], abs=1e-4)


def test_the_reference_of_an_adapted_policy_is_its_base(tmp_path: Path) -> None:
    stages, summary = run(tmp_path, BASE + DPO)
    base = stages / "01-base" / "model"
    policy, tokenizer = load_policy(base, CPU), load_tokenizer(base)
    renderer = renderer_for(policy, tokenizer, base)
    shown = load(Comparison, tmp_path / "pairs.jsonl").records
    rows = [renderer.row(c.prompt, answer) for c in shown for answer in (c.chosen, c.rejected)]
    kept = load_file(stages / "02-dpo" / "reference.safetensors")
    told = dict(zip(map(bytes, kept["rows"].numpy()), kept["logprobs"].tolist(), strict=True))
    expected = all_logprobs(policy, rows, 8192)
    assert [told[digest_of(row)] for row in rows] == pytest.approx(expected.tolist(), abs=1e-5)
    manifest = read_manifest(stages / "02-dpo")
    assert set(manifest.outputs) == {"model", "reference"}
    assert summary["status"] == "done"


def test_another_stage_takes_the_reference_s_numbers(tmp_path: Path) -> None:
    other = (DPO + DPO.replace("stages.dpo", "stages.ipo").replace('"dpo"', '"ipo"')).replace(
        "adapter = { rank = 4 }\n", ""
    ) + 'reference_logprobs = "stage:dpo/reference"\n'
    stages, _ = run(tmp_path, BASE + other)
    first, second = (stages / name / "reference.safetensors" for name in ("02-dpo", "03-ipo"))
    assert first.read_bytes() == second.read_bytes()
    parents = {parent.role: parent.sha256 for parent in read_manifest(stages / "03-ipo").parents}
    made = read_manifest(stages / "02-dpo").outputs["reference"]
    assert parents["reference_logprobs"] == made["sha256"]


def test_a_reward_model_over_four_bits_is_not_put_over_a_float_body(tmp_path: Path) -> None:
    """It learned over other weights, so it keeps a body of its own: as the merged one scores."""
    found = []
    for merge in ("true", "false"):
        reward = REWARD.replace("MERGE", merge).replace("rank = 4", HELD)
        text = BASE + reward + PPO.replace("MERGE", "true")
        text = text.replace("iterations = 2", 'iterations = 1\nvalue_model = "stage:base"')
        stages, _ = run(tmp_path / merge, text)
        found.append(read_metrics(stages / "03-ppo" / "metrics.jsonl")[0])
    assert found[0]["objective/scores"] == pytest.approx(found[1]["objective/scores"], abs=1e-5)


def test_demonstrations_are_learned_over_four_bits(tmp_path: Path) -> None:
    shown = [{"prompt": text[:20], "completion": text[20:40]} for text in TEXTS[:8]]
    write_rows(tmp_path / "shown.jsonl", shown)
    sft = (
        '\n[stages.sft]\nkind = "sft"\nmodel = "stage:base"\ntrain = "data:shown.jsonl"\n'
        "epochs = 8\nbatch_size = 4\noptimizer.learning_rate = 1e-2\n"
        f"adapter = {{ {HELD} }}\n"
    )
    stages, _ = run(tmp_path, BASE + sft)
    losses = [row["loss"] for row in read_metrics(stages / "02-sft" / "metrics.jsonl")]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(("what", "at"), [(DPO, 1), (DPO.replace("rank = 4", HELD), 1), (PPO, 2)])
def test_a_stopped_run_with_adapters_resumes_bit_for_bit(
    what: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (BASE + (REWARD if what is PPO else "") + what).replace("MERGE", "false")
    stages, _ = run(tmp_path, text, "whole")
    step = Training.step

    def breaking(self: Training, *args: Any, **more: Any) -> Any:
        if more["at"] == at and getattr(self.networks.get("policy"), TRAINED, None):
            raise KeyboardInterrupt
        return step(self, *args, **more)

    monkeypatch.setattr(Training, "step", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, text, "part")
    monkeypatch.setattr(Training, "step", step)
    again, _ = run(tmp_path, text, "part")
    name = f"{3 if what is PPO else 2:02d}-{'ppo' if what is PPO else 'dpo'}"
    ours, theirs = weights(again / name / "model"), weights(stages / name / "model")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert (again / name / "metrics.jsonl").read_text() == (
        stages / name / "metrics.jsonl"
    ).read_text()


def test_runs_of_recipes_without_the_new_keys_stay_valid(tmp_path: Path) -> None:
    """A default that is said and one that is left out are the same stage, memory never counts."""
    plain = DPO.replace("adapter = { rank = 4 }\n", "")
    stages, _ = run(tmp_path, BASE + plain)
    one = read_manifest(stages / "02-dpo").identity
    said = plain + 'precision = "float32"\nactivation_checkpointing = true\n'
    again, summary = run(tmp_path, BASE + said)
    assert read_manifest(again / "02-dpo").identity == one
    half, _ = run(tmp_path, BASE + plain + 'precision = "bfloat16"\n')
    assert read_manifest(half / "02-dpo").identity != one
    told = json.loads((half / "02-dpo" / "summary.json").read_text())
    assert told["precision"] == "bfloat16"
