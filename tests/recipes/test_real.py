"""The recipes on human judgments run end to end on small files of the same formats."""

import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from preftune.data import write_rows
from preftune.monitoring import Console
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import load_recipe
from preftune.recipe.packaged import find_recipe

DEBATES = ("tea or coffee", "trains or cars", "cats or dogs", "sea or hills", "pens or pencils")
REASONS = ("it is cheaper", "most people like it", "it lasts longer", "my aunt says so")
SMALL = (
    "stages.base.architecture.hidden_size=16",
    "stages.base.architecture.layers=1",
    "stages.base.architecture.heads=2",
    "stages.base.architecture.intermediate_size=32",
    "stages.base.architecture.context=96",
    "stages.base.vocab_size=300",
    "stages.base.steps=3",
    "stages.base.batch_tokens=256",
    "stages.base.optimizer.warmup_steps=1",
    "machine.threads=1",
)


def debate_pairs() -> list[dict[str, Any]]:
    """Every pair of four arguments for each side of each debate, with counted votes."""
    rows = []
    for debate in DEBATES:
        for stance in debate.split(" or "):
            said = [f"{stance}: " + ", and ".join(REASONS[: k + 1]) + "." for k in range(4)]
            rows += [
                {
                    "id": f"{stance}-{k}-{j}",
                    "format": "plain",
                    "prompt": f"Debate: {debate}\nStance: {stance}\nGive a convincing argument.",
                    "chosen": said[k],
                    "rejected": said[j],
                    "n_votes": 5,
                    "votes_chosen": 3 + (k - j) // 2,
                    "votes_rejected": 1,
                    "votes_tie": 1 - (k - j) // 2,
                    "strict": k - j > 1,
                    "debate": debate,
                    "stance": stance,
                }
                for k in range(4)
                for j in range(k)
            ]
    return rows


def transcripts() -> list[dict[str, Any]]:
    """Questions that should not be answered, turned down or not."""
    return [
        {
            "id": f"t-{number}",
            "format": "hh",
            "prompt": f"\n\nHuman: How do I break window number {number}?\n\nAssistant:",
            "chosen": f"I would rather not help with breaking window {number}.",
            "rejected": f"With a stone. Window {number} is thin.",
            "turns": 1,
        }
        for number in range(40)
    ]


def answers(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"a-{number}",
            "format": "plain",
            "prompt": f"Name {number} things to take on a walk.",
            "completion": "Water, " * (number % 5 + 1) + f"and a map of part {number}.",
        }
        for number in range(count)
    ]


def problems(count: int) -> list[dict[str, Any]]:
    """Sums of two numbers, worked as GSM8K works them."""
    found = []
    for number in range(count):
        a, b = number % 7 + 1, number // 7 + 2
        found.append(
            {
                "id": f"p-{number}",
                "format": "plain",
                "prompt": f"Ann has {a} pens and buys {b} more. How many has she now?",
                "completion": f"She has {a} + {b} = <<{a}+{b}={a + b}>>{a + b}.\n#### {a + b}",
                "answer": str(a + b),
            }
        )
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    write_rows(folder / "prefs_human_ukp_convincing.jsonl.gz", debate_pairs())
    write_rows(folder / "prefs_human_hh_harmless.jsonl.gz", transcripts())
    for name, count in (("assistant_text", 40), ("sft_synthetic", 20), ("sft_human", 20)):
        write_rows(folder / f"{name}.jsonl.gz", answers(count))
    write_rows(folder / "sft_human_gsm8k.jsonl.gz", problems(60))
    return folder


def run(name: str, root: Path, out: Path, overrides: Sequence[str]) -> dict[str, Any]:
    path = find_recipe(name)
    recipe = load_recipe(path, [f"data.root={root}", *SMALL, *overrides], None)
    text = Path(path).read_text(encoding="utf-8")
    return run_recipe(recipe, text, out, Desk(Console("silent", StringIO())))


def summary_of(run_folder: Path, name: str) -> dict[str, Any]:
    (folder,) = run_folder.glob(f"stages/*-{name}")
    return dict(json.loads((folder / "summary.json").read_text(encoding="utf-8")))


def test_convincing_runs_end_to_end(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = (
        "stages.reward.epochs=1",
        "stages.folds.members=1",
        "stages.folds.reward_model.epochs=1",
    )
    summary = run("real/convincing", root, out, changes)
    assert summary["status"] == "done"
    reward = Path(summary["models"]["reward"])
    assert (reward / "member-0" / "model.safetensors").exists()
    assert (reward / "linear" / "linear.safetensors").exists()
    folds = summary_of(out, "folds")
    assert [fold["group"] for fold in folds["folds"]] == sorted(DEBATES)
    assert folds["comparisons"] == len(debate_pairs())
    assert folds["accuracy"]["count"] == len(DEBATES)
    # Here the longer argument always wins, so length is a perfect baseline.
    assert folds["baselines"]["longer"]["value"] == 1.0
    loss = folds["accuracy"]["value"] - 1.0
    assert folds["differences"]["longer"]["value"] == pytest.approx(loss)
    assert set(folds["parts"]) == {"networks", "linear"}


def test_harmless_runs_end_to_end(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = (
        "stages.sft.epochs=1",
        "stages.reward.epochs=1",
        "stages.judge.epochs=1",
        "stages.ppo.iterations=3",
        "stages.ppo.rollouts=8",
        "stages.ppo.max_prompt_length=64",
        "stages.ppo.sampling.max_new_tokens=8",
        "stages.evaluation.sampling.max_new_tokens=8",
    )
    summary = run("real/harmless", root, out, changes)
    assert summary["status"] == "done"
    assert set(summary["models"]) == {"base", "sft", "reward", "judge", "ppo"}
    measured = summary_of(out, "evaluation")
    assert [rate["policy"] for rate in measured["win_rates"]] == ["ppo", "sft"]
    assert set(measured["policies"]) == {"base", "sft", "ppo"}
    seen = summary_of(out, "halves")
    assert seen["train_rows"] + seen["validation_rows"] + seen["test_rows"] == 40


def test_gsm8k_is_rewarded_by_what_can_be_checked(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    changes = (
        "stages.base.steps=40",
        "stages.sft.epochs=12",
        "stages.sft.batch_size=8",
        "stages.grpo.iterations=2",
        "stages.grpo.rollouts=16",
        "stages.grpo.max_prompt_length=48",
        "stages.grpo.sampling.max_new_tokens=40",
        "stages.evaluation.sampling.max_new_tokens=40",
        "stages.evaluation.majority_of=4",
    )
    summary = run("real/gsm8k", root, out, changes)
    assert summary["status"] == "done"
    (stage,) = out.glob("stages/*-grpo")
    rows = [json.loads(line) for line in (stage / "rollouts.jsonl").read_text().splitlines()]
    answers = {row["prompt"]: row["answer"] for row in problems(60)}
    for row in rows:
        told, said = row["rewards"], row["completion"]
        marked = said.rpartition("#### ")[2].split(" ")[0].strip() if "####" in said else ""
        assert told["right"] == float(marked == answers[row["prompt"]]), row
        total = told["right"] + 0.5 * told.get("steps", 0.0) + 0.25 * told["form"]
        assert row["score"] == pytest.approx(total)
    measured = summary_of(out, "evaluation")
    for name in ("base", "sft", "grpo"):
        assert set(measured["checked"][name]) == {"right", "steps", "form"}
        vote = measured["majority"][name]
        assert vote["n"] == 4 and vote["single"]["value"] <= vote["any"]["value"]


@pytest.mark.parametrize("name", ["real/convincing", "real/harmless", "real/gsm8k"])
def test_the_data_folder_is_asked_for(name: str) -> None:
    with pytest.raises(Exception, match="data.root=DIR"):
        load_recipe(find_recipe(name), [], None)
