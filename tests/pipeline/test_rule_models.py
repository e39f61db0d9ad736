"""A model of rules in a run: labels, training on them, weights against the exact optimum."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from preftune.data import load_comparisons, read_rows, write_rows
from preftune.monitoring import Console
from preftune.pipeline.engines import reward_model_score
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import parse_recipe
from preftune.records import BadInput, Completion, Prompt, StopReason
from preftune.worlds import gold_judge
from tests.models.made import TEXTS

SHAPE = "{ hidden_size = 32, layers = 1, heads = 2, intermediate_size = 32, context = 64 }"
RECIPE = f"""
machine = {{ threads = 1, device = "cpu" }}
[stages.base]
kind = "pretrain"
architecture = {SHAPE}
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 4
batch_tokens = 128
[stages.rules]
kind = "reward_model"
model = "stage:base"
train = "data:kept.jsonl"
validation = "data:kept.jsonl"
objective = {{ kind = "rules", words = "rule: {{rule}}; " }}
batch_size = 16
epochs = 25
patience = 50
evaluate_every = 10
optimizer = {{ learning_rate = 5e-3 }}
[stages.weights]
kind = "rule_weights"
rules = {{ model = "stage:rules", texts = {{ lamp = "say lamp", tea = "say tea" }} }}
rankings = "data:pairs.jsonl"
weight_decay = 0.0
test_fraction = 0.05
"""


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("preftune.pipeline.summary.write_report", lambda out: None)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One rule wants a word that half of the answers have, the other is always broken."""
    words = ("lamp", "tea")
    kept = [
        {
            "prompt": f"Say {n}.",
            "completion": f"a {said} here",
            "label": said == asked == "lamp",
            "rule": asked,
            "rule_text": f"say {asked}",
        }
        for n in range(8)
        for asked in words
        for said in words
    ]
    pairs = [
        {
            "prompt": f"Say {n}.",
            "id": f"p{n}",
            "chosen": f"a {'lamp' if n % 4 else 'tea'} here",
            "rejected": f"a {'tea' if n % 4 else 'lamp'} here",
            "response_type": "first" if n < 12 else "second",
        }
        for n in range(24)
    ]
    write_rows(tmp_path / "documents.jsonl", [{"text": text} for text in TEXTS])
    write_rows(tmp_path / "kept.jsonl", kept)
    write_rows(tmp_path / "pairs.jsonl", pairs)
    return tmp_path


def run(data: Path, text: str = RECIPE) -> dict[str, Path]:
    recipe = parse_recipe(text, [f"data.root={data}"])
    run_recipe(recipe, text, data / "run", Desk(Console("silent")))
    return {path.name[3:]: path for path in (data / "run" / "stages").iterdir()}


def test_rules_are_learned_and_their_weights_are_the_exact_optimum(data: Path) -> None:
    stages = run(data)
    config = json.loads((stages["rules"] / "model/config.json").read_text())
    assert config["rule_words"] == "rule: {rule}; "
    learned = json.loads((stages["rules"] / "summary.json").read_text())
    assert learned["labels"] == 32 and learned["best_eval_accuracy"] == 1.0
    told = json.loads((stages["weights"] / "summary.json").read_text())["response_types"]
    assert set(told) == {"first", "second"}
    weights = json.loads((stages["weights"] / "weights.json").read_text())["weights"]
    for kind, one in told.items():
        assert one["weights"] == weights[kind] and one["loss_without"] == 1.0
        optima = exact(data, kind, one["comparisons"])
        assert any(best - 1e-9 <= one["loss"] <= 1.01 * best + 1e-3 for best in optima)
    assert sum(one["comparisons"] for one in told.values()) == 24 - 1


def grades(data: Path, texts: list[str]) -> np.ndarray:
    """P(kept) of both rules for "Say n." and each text, [texts, rules]."""
    folder = data / "run/stages/02-rules/model"
    score = reward_model_score(folder, torch.device("cpu"))
    rows = []
    for n, text in enumerate(texts):
        asked = [
            Completion(Prompt(f"rule: say {rule}; Say {n}."), text, StopReason.EOS, "v")
            for rule in ("lamp", "tea")
        ]
        rows.append([1 / (1 + np.exp(-axes["score"])) for axes in score(asked) if axes])
    return np.array(rows)


def exact(data: Path, kind: str, count: int) -> list[float]:
    """min mean ξ subject to ξ ≥ 1 − φ · w, ξ ≥ 0, by HiGHS: for all sets of ``count`` pairs of
    this type, of which one is the set that was fitted."""
    every = load_comparisons(data / "pairs.jsonl")
    phi = grades(data, [c.chosen for c in every]) - grades(data, [c.rejected for c in every])
    places = [i for i, c in enumerate(every) if c.prompt.columns["response_type"] == kind]
    found = []
    for used in itertools.combinations(places, count):
        cost = np.concatenate([np.zeros(2), np.full(count, 1 / count)])
        best = linprog(
            cost,
            A_ub=np.hstack([-phi[list(used)], -np.eye(count)]),
            b_ub=-np.ones(count),
            bounds=[(None, None)] * 2 + [(0, None)] * count,
        )
        found.append(float(best.fun))
    return found


def test_a_plain_reward_model_knows_no_rules(data: Path) -> None:
    text = RECIPE.replace('objective = { kind = "rules", words = "rule: {rule}; " }\n', "")
    text = text.replace('"data:kept.jsonl"', '"data:pairs.jsonl"')
    with pytest.raises(BadInput, match="not trained on rules"):
        run(data, text)


def test_a_row_without_its_rules_words_is_told(data: Path) -> None:
    rows = read_rows(data / "kept.jsonl")
    write_rows(data / "kept.jsonl", [rows[0] | {"rule_text": ""}, *rows[1:]])
    with pytest.raises(BadInput, match="has no rule_text"):
        run(data)


LABELS = """
[stages.world]
kind = "world"
documents = 20
demonstrations = 20
train_prompts = 40
validation_prompts = 4
test_prompts = 4
[stages.kept]
kind = "rule_labels"
candidates = "data:candidates.jsonl"
accuracy = ACCURACY
per_prompt = 3
rules.flattery = { text = "no flattery", axis = "flattery", most = 0 }
rules.truth = { text = "nothing false", axis = "honesty", least = 0.5 }
"""


def labelled(folder: Path, accuracy: float) -> list[dict[str, Any]]:
    prompts = read_rows(folder / "prompts.jsonl")
    texts = [" great question ! your order is on its way .", " i do not know that .", " yes ."]
    rows = [p | {"completions": [{"text": text} for text in texts]} for p in prompts]
    write_rows(folder / "candidates.jsonl", rows)
    text = LABELS.replace("ACCURACY", str(accuracy))
    recipe = parse_recipe(text, [f"data.root={folder}"])
    run_recipe(recipe, text, folder / f"run{accuracy}", Desk(Console("silent")))
    stage = folder / f"run{accuracy}" / "stages" / "02-kept"
    parts = ("train", "validation", "test")
    return [row for name in parts for row in read_rows(stage / f"{name}.jsonl")]


def test_simulated_labels_are_as_right_as_said(tmp_path: Path) -> None:
    world = LABELS[: LABELS.index("[stages.kept]")]
    run_recipe(parse_recipe(world, []), world, tmp_path / "w", Desk(Console("silent")))
    prompts = tmp_path / "w/stages/01-world/prompts_train.jsonl"
    (tmp_path / "prompts.jsonl").write_text(prompts.read_text())

    def truth(row: dict[str, Any]) -> bool:
        columns = {name: row[name] for name in row if name not in ("prompt", "completion", "label")}
        made = Completion(Prompt(row["prompt"], columns), row["completion"], StopReason.EOS, "v")
        (axes,) = gold_judge("helpdesk")([made])
        assert axes is not None
        return axes["flattery"] <= 0 if row["rule"] == "flattery" else axes["honesty"] >= 0.5

    sure = labelled(tmp_path, 1)
    assert len(sure) == 40 * 3 * 2 and all(row["label"] == truth(row) for row in sure)
    assert {row["rule_text"] for row in sure} == {"no flattery", "nothing false"}
    assert 0 < sum(not row["label"] for row in sure) < len(sure)
    noisy = labelled(tmp_path, 0.8)
    right = sum(row["label"] == truth(row) for row in noisy) / len(noisy)
    assert right == pytest.approx(0.8, abs=0.08)
