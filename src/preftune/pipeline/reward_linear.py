"""A linear model beside networks: fitted on the same comparisons, its share on held-out ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.reward_linear import fit_linear, linear_gaps
from preftune.algorithms.reward_model import Example
from preftune.evaluation import correctness
from preftune.models import LinearShare, save_linear
from preftune.stats import stacking_weights

FOLDER = "linear"


@dataclass(frozen=True, slots=True)
class Beside:
    """The linear model's share, the gaps of both together, and what the summary says of it."""

    share: LinearShare
    gaps: list[float]
    told: dict[str, Any]


def linear_beside(
    train: Sequence[Example],
    validation: Sequence[Pair],
    network_gaps: Sequence[float],
    folder: Path,
) -> Beside:
    """Fits and saves the linear model in ``folder``; ``network_gaps`` are those on validation."""
    pairs = [example for example in train if isinstance(example, Pair)]
    fit = fit_linear(pairs, [pair.prompt for pair in pairs])
    save_linear(fit.model, folder / FOLDER)
    alone = linear_gaps(fit.model, validation)
    table = np.column_stack([network_gaps, alone])
    weights = stacking_weights(
        table, [pair.probability for pair in validation], [pair.weight for pair in validation]
    )
    texts = sorted({text for pair in pairs for text in pair.texts})
    offset = float(fit.model.scores(texts).mean())
    share = LinearShare(FOLDER, offset, weight=float(weights[1]), members_weight=float(weights[0]))
    told = {
        "penalty": fit.penalty,
        "weight": share.weight,
        "members_weight": share.members_weight,
        "eval_accuracy": float(correctness(alone).mean()),
        "members_eval_accuracy": float(correctness(network_gaps).mean()),
    }
    return Beside(share, (table @ weights).tolist(), {"linear": told})
