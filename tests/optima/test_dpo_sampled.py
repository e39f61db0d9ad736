"""DPO through the real story on a tiny transformer, from freshly drawn labels: π_ref exp(r/β).

Four answers of one token to one prompt. Every optimizer step sees 4,096 labels that no step saw
before (uniform pairs of different answers, Bradley–Terry labels); the learning rate goes to 0. The
policy's probabilities are taken relative to the four answers, for nothing else is compared.
"""

from pathlib import Path

import torch

from preftune.algorithms.dpo import dpo
from preftune.algorithms.offline import PairInputs
from preftune.algorithms.reward_batches import Pair
from preftune.models import Row
from preftune.recipe import DPO
from tests.algorithms.preferences import logprob
from tests.models.made import make_policy
from tests.training.made import quiet_journal

ANSWERS = [Row((20, 30), (token,)) for token in (50, 60, 70, 80)]
SCORES = torch.tensor([0.0, 1.0, 2.0, 3.0])
LABELS, STEPS = 4096, 60


def fresh_labels(count: int) -> list[Pair]:
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(4, (count,), generator=generator)
    second = (first + torch.randint(1, 4, (count,), generator=generator)) % 4
    wins = torch.rand(count, generator=generator) < torch.sigmoid(SCORES[first] - SCORES[second])
    shown = zip(first.tolist(), second.tolist(), wins.tolist(), strict=True)
    both = [[Pair(ANSWERS[a], ANSWERS[b]) for b in range(4)] for a in range(4)]
    return [both[a][b] if won else both[b][a] for a, b, won in shown]


def test_the_tilt_is_reached_from_samples(tmp_path: Path) -> None:
    policy = make_policy()
    before = torch.tensor([logprob(row) for row in ANSWERS])
    recipe = DPO.model_validate(
        {
            "model": "m",
            "train": "t",
            "beta": 1.0,
            "batch_size": LABELS,
            "micro_batch_tokens": 10**6,
            "optimizer": {"learning_rate": 5e-3, "warmup_steps": 0, "final_fraction": 0.0},
        }
    )
    inputs = PairInputs(policy, fresh_labels(LABELS * STEPS), [], seed=0)
    with quiet_journal(tmp_path) as journal:
        result = dpo(recipe, inputs, make_policy(), journal)
    assert result.steps == STEPS
    after = torch.tensor([logprob(row, policy) for row in ANSWERS]).softmax(0)
    expected = (before + SCORES).softmax(0)
    assert 0.5 * (after - expected).abs().sum().item() < 0.03
    assert 0.5 * (before.softmax(0) - expected).abs().sum().item() > 0.2
