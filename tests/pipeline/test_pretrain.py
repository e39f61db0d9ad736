"""A network from texts alone: no gradient step, and what tokens stand near each other."""

from io import StringIO
from pathlib import Path

import torch

from preftune.data import write_rows
from preftune.models import load_policy
from preftune.monitoring import Console
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.stages import pretrain
from preftune.recipe import Pretrain
from tests.models.made import CPU, TEXTS


def fresh(folder: Path, embeddings: str) -> tuple[StageOutcome, torch.Tensor]:
    folder.mkdir()
    data = folder / "texts.jsonl"
    write_rows(data, [{"text": text} for text in TEXTS])
    shape = {"hidden_size": 16, "layers": 1, "heads": 2, "intermediate_size": 32, "context": 64}
    settings = {
        "architecture": shape,
        "vocab_size": 300,
        "data": ["texts"],
        "embeddings": embeddings,
        "steps": 0,
    }
    context = StageContext(
        name="base",
        settings=Pretrain.model_validate(settings),
        inputs={"data.0": data},
        hashes={},
        folder=folder,
        seed=5,
        device=CPU,
        console=Console("silent", StringIO()),
    )
    outcome = pretrain.run(context)
    model = load_policy(folder / outcome.outputs["model"], CPU)
    return outcome, model.get_input_embeddings().weight.detach()


def test_no_step_saves_a_fresh_network_and_claims_no_loss(tmp_path: Path) -> None:
    outcome, _ = fresh(tmp_path / "a", "random")
    assert outcome.summary["steps"] == 0 and "loss" not in outcome.summary
    assert outcome.summary["vocabulary"] == 300


def test_embeddings_may_start_from_what_stands_near(tmp_path: Path) -> None:
    """Tokens of the texts move, the two special ones, which no text has, do not."""
    _, random = fresh(tmp_path / "a", "random")
    _, found = fresh(tmp_path / "b", "cooccurrence")
    _, again = fresh(tmp_path / "c", "cooccurrence")
    assert torch.equal(found, again)
    assert torch.equal(found[:2], random[:2])
    moved = (found != random).any(1)
    assert 40 < int(moved.sum()) < 300
    assert abs(float(found[moved].mean())) < 1e-6
