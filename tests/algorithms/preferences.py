"""Comparisons with a planted rule, and offline stories run on them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.algorithms.dpo import dpo
from preftune.algorithms.ipo import ipo
from preftune.algorithms.kto import KTOInputs, Verdict, kto
from preftune.algorithms.offline import OfflineResult, PairInputs
from preftune.algorithms.orpo import orpo
from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.simpo import simpo
from preftune.models import Row, collate, response_logprobs
from preftune.monitoring import read_metrics
from preftune.recipe import DPO, IPO, KTO, ORPO, OfflineSettings, SimPO
from preftune.training import weights_of
from tests.algorithms.made import EOS, PAD
from tests.models.made import CPU, make_policy
from tests.training.made import quiet_journal

GOOD, BAD = 50, 60
KINDS: dict[str, type[OfflineSettings]] = {
    "dpo": DPO,
    "ipo": IPO,
    "kto": KTO,
    "orpo": ORPO,
    "simpo": SimPO,
}
Found = tuple[OfflineResult, list[dict[str, Any]], dict[str, torch.Tensor]]


def planted(count: int, seed: int) -> list[Pair]:
    """The chosen answer holds the token GOOD somewhere, the rejected one BAD."""
    rng = np.random.default_rng(seed)

    def answer(token: int) -> tuple[int, ...]:
        ids = rng.integers(100, 300, int(rng.integers(2, 7))).tolist()
        ids[int(rng.integers(len(ids)))] = token
        return (*ids, EOS)

    prompts = [
        tuple(rng.integers(100, 300, int(rng.integers(1, 6))).tolist()) for _ in range(count)
    ]
    return [Pair(Row(prompt, answer(GOOD)), Row(prompt, answer(BAD))) for prompt in prompts]


def unpaired(pairs: list[Pair]) -> list[Verdict]:
    return [v for p in pairs for v in (Verdict(p.chosen, True), Verdict(p.rejected, False))]


def recipe_of(kind: str, **settings: Any) -> OfflineSettings:
    optimizer = {"learning_rate": 3e-3, "warmup_steps": 0}
    given = {"model": "m", "train": "t", "batch_size": 8, "optimizer": optimizer}
    return KINDS[kind].model_validate(given | settings)


def run(
    folder: Path,
    recipe: OfflineSettings,
    train: list[Pair],
    validation: list[Pair] | None = None,
    dropout: float = 0.0,
) -> Found:
    """The story of the recipe's kind, its metrics and the weights it leaves."""
    policy, held_out = make_policy(dropout=dropout), validation or []
    reference = make_policy(dropout=dropout)
    inputs = PairInputs(policy, train, held_out, seed=2)
    with quiet_journal(folder, recipe.checkpoint_every) as journal:
        if isinstance(recipe, DPO):
            result = dpo(recipe, inputs, reference, journal)
        elif isinstance(recipe, IPO):
            result = ipo(recipe, inputs, reference, journal)
        elif isinstance(recipe, ORPO):
            result = orpo(recipe, inputs, journal)
        elif isinstance(recipe, SimPO):
            result = simpo(recipe, inputs, journal)
        else:
            assert isinstance(recipe, KTO)
            judged = KTOInputs(policy, unpaired(train), unpaired(held_out), seed=2)
            result = kto(recipe, judged, reference, journal)
    return result, read_metrics(folder / "metrics.jsonl"), weights_of(policy)


@torch.no_grad()
def logprob(row: Row, policy: PreTrainedModel | None = None) -> float:
    """log π(y|x) of one row on its own, without padding; of the fresh policy if not said."""
    policy = make_policy() if policy is None else policy
    return response_logprobs(policy, collate([row], PAD, CPU), 1.0).sum().item()
