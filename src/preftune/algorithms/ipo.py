"""IPO: the margin of each pair is regressed to a finite target.

Azar et al. 2023. DPO drives the margin of a pair that is always labelled the same way to infinity,
whatever β; the square holds it at 1/(2τ).
"""

from collections.abc import Sequence
from functools import partial

from transformers import PreTrainedModel

from preftune.algorithms.offline import (
    Objective,
    OfflineResult,
    PairInputs,
    ReferencedPairs,
    learn,
    margins_over,
    pair_metrics,
    read_pairs,
    referenced,
)
from preftune.maths.losses.ipo import ipo_loss
from preftune.recipe import IPO
from preftune.training import Journal, Loss


def ipo(
    recipe: IPO, inputs: PairInputs, reference: PreTrainedModel, journal: Journal
) -> OfflineResult:
    """Leaves the best weights in ``inputs.policy``."""
    parts = referenced(recipe, inputs, reference, journal)
    del reference  # all it has to say is said: its memory is free
    objective_of = partial(objective, recipe, inputs)
    return learn(recipe, inputs.policy, inputs.seed, parts, objective_of, journal)


def objective(
    recipe: IPO, inputs: PairInputs, part: ReferencedPairs, drawn: Sequence[int]
) -> Objective:
    """The weighted mean over the drawn pairs of (h − 1/(2τ))²."""
    weight = part.weight(drawn)

    def loss(indices: list[int]) -> Loss:
        sums = read_pairs(inputs.policy, part, indices)
        reference = part.reference(indices, sums)
        now = sums
        if recipe.logprobs == "mean":
            now, reference = sums.means(), reference.means()
        total = ipo_loss(
            margins_B=margins_over(now, reference),
            probabilities_B=now.probabilities_B,
            weights_B=now.weights_B,
            tau=recipe.tau,
            denominator=weight,
        )
        chosen = recipe.tau * (now.chosen_B - reference.chosen_B)
        rejected = recipe.tau * (now.rejected_B - reference.rejected_B)
        return Loss(total, pair_metrics(sums, chosen, rejected, len(drawn)))

    return loss
