"""The evaluate stage's own numbers: the loss on documents."""

import json
import math
from pathlib import Path

from preftune.monitoring import Console
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import parse_recipe
from tests.models.made import TEXTS

RECIPE = """
title = "A base model and a trained one"
machine = { threads = 1, device = "cpu" }

[stages.fresh]
kind = "pretrain"
architecture = { hidden_size = 32, layers = 1, heads = 2, intermediate_size = 32, context = 48 }
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 0

[stages.base]
kind = "pretrain"
architecture = { hidden_size = 32, layers = 1, heads = 2, intermediate_size = 32, context = 48 }
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 30
batch_tokens = 256
optimizer = { learning_rate = 1e-2 }

[stages.evaluation]
kind = "evaluate"
policies = { fresh = "stage:fresh", base = "stage:base" }
prompts = "data:prompts.jsonl"
reference = "base"
documents = "data:held_out.jsonl"
documents_limit = 6
sampling = { max_new_tokens = 4 }
"""


def test_a_trained_model_has_less_loss_on_held_out_documents(tmp_path: Path) -> None:
    rows = {
        "documents": [{"text": text} for text in TEXTS[:-8]],
        "held_out": [{"text": text} for text in TEXTS[-8:]],
        "prompts": [{"prompt": text[:15], "id": str(n)} for n, text in enumerate(TEXTS[:4])],
    }
    for name, lines in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    recipe = parse_recipe(RECIPE, [f"data.root={tmp_path}"], None)
    run_recipe(recipe, RECIPE, tmp_path / "run", Desk(Console("silent")))
    told = json.loads((tmp_path / "run/stages/03-evaluation/summary.json").read_text())
    fresh, base = (told["policies"][name]["document_loss"] for name in ("fresh", "base"))
    assert fresh["count"] == base["count"] == 6
    assert abs(fresh["value"] - math.log(300)) < 1.0, "an untrained model knows nothing"
    assert base["high"] < fresh["low"]
