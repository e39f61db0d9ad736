"""A linear model that networks are added to: fitted on the same comparisons, their weight on
held-out ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.reward_linear import fit_linear, linear_gaps
from preftune.algorithms.reward_model import Example
from preftune.evaluation import correctness
from preftune.models import LinearShare, save_linear, word_counts
from preftune.pipeline.documents import read_texts
from preftune.recipe import Linear
from preftune.stats import stacking_weight

FOLDER = "linear"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands in ``ensemble.json``, the gaps of both together, and what the summary says."""

    share: LinearShare
    gaps: list[float]
    told: dict[str, Any]


def linear_beside(
    train: Sequence[Example],
    validation: Sequence[Pair],
    network_gaps: Sequence[float],
    known: Mapping[str, int],
    folder: Path,
) -> Beside:
    """Fits and saves the linear model in ``folder``; ``network_gaps`` are those on validation."""
    pairs = [example for example in train if isinstance(example, Pair)]
    fit = fit_linear(pairs, [pair.prompt for pair in pairs], known)
    save_linear(fit.model, folder / FOLDER)
    alone = linear_gaps(fit.model, validation)
    weight = networks_weight(network_gaps, alone, validation)
    texts = sorted({text for pair in pairs for text in pair.texts})
    offset = float(fit.model.scores(texts).mean())
    share = LinearShare(FOLDER, offset, weight)
    told = {
        "penalty": fit.penalty,
        "members_weight": weight,
        "eval_accuracy": float(correctness(alone).mean()),
        "members_eval_accuracy": float(correctness(network_gaps).mean()),
    }
    together = alone + weight * np.asarray(network_gaps)
    return Beside(share, together.tolist(), {"linear": told})


def networks_weight(
    network_gaps: Sequence[float] | Floats, linear: Floats, pairs: Sequence[Pair]
) -> float:
    """What the networks add to the linear model's log-odds, fitted on these pairs."""
    targets, weights = [pair.probability for pair in pairs], [pair.weight for pair in pairs]
    return stacking_weight(network_gaps, linear, targets, weights)


def known_words(inputs: Mapping[str, Path], settings: Linear, role: str) -> Mapping[str, int]:
    """The word counts of the texts named in ``ROLE.text``; of prompts with answers, the answers."""
    paths = [inputs[f"{role}.text.{place}"] for place in range(len(settings.text))]
    return word_counts(text.body for text in read_texts(paths)) if paths else {}
