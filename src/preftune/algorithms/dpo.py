"""DPO: a policy from comparisons without a reward model and without sampling.

Rafailov et al. 2023. The policy's own log-ratio to the reference is the reward,
r(x, y) = β log π(y|x)/π_ref(y|x), and the loss is the Bradley–Terry likelihood of the labels under
it. Its optimum on Bradley–Terry labels is that of KL-regularised reinforcement learning,
π_ref exp(r/β)/Z.
"""

from collections.abc import Sequence
from functools import partial

import torch
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
from preftune.maths.losses.dpo import (
    cdpo_loss,
    chosen_nll,
    dpo_loss,
    hinge_loss,
    robust_dpo_loss,
)
from preftune.recipe import DPO
from preftune.training import Journal, Loss


def dpo(
    recipe: DPO, inputs: PairInputs, reference: PreTrainedModel, journal: Journal
) -> OfflineResult:
    """Leaves the best weights in ``inputs.policy``."""
    parts = referenced(recipe, inputs, reference, journal)
    del reference  # all it has to say is said: its memory is free
    objective_of = partial(objective, recipe, inputs)
    return learn(recipe, inputs.policy, inputs.seed, parts, objective_of, journal)


def objective(
    recipe: DPO, inputs: PairInputs, part: ReferencedPairs, drawn: Sequence[int]
) -> Objective:
    """The weighted mean over the drawn pairs of the margin's loss, plus α NLL(y_w)."""
    weight = part.weight(drawn)

    def loss(indices: list[int]) -> Loss:
        sums = read_pairs(inputs.policy, part, indices)
        reference = part.reference(indices, sums)
        now = sums
        if recipe.logprobs == "mean":
            now, reference = sums.means(), reference.means()
        margins = margins_over(now, reference)
        total = preference_loss(recipe, margins, sums.probabilities_B, sums.weights_B, weight)
        metrics = pair_metrics(
            sums,
            recipe.beta * (now.chosen_B - reference.chosen_B),
            recipe.beta * (now.rejected_B - reference.rejected_B),
            len(drawn),
        )
        nll = chosen_nll(
            chosen_mean_logprobs_B=sums.means().chosen_B,
            weights_B=sums.weights_B,
            denominator=weight,
        )
        if recipe.rpo_alpha:
            total = total + recipe.rpo_alpha * nll
        return Loss(total, metrics | {"nll_loss": nll.detach()})

    return loss


def preference_loss(
    recipe: DPO,
    margins_B: torch.Tensor,
    probabilities_B: torch.Tensor,
    weights_B: torch.Tensor,
    denominator: float,
) -> torch.Tensor:
    """The recipe's loss of these margins."""
    if recipe.loss == "cdpo" or recipe.loss == "robust":
        smoothed = cdpo_loss if recipe.loss == "cdpo" else robust_dpo_loss
        return smoothed(
            margins_B=margins_B,
            probabilities_B=probabilities_B,
            weights_B=weights_B,
            beta=recipe.beta,
            label_smoothing=recipe.label_smoothing,
            denominator=denominator,
        )
    plain = dpo_loss if recipe.loss == "sigmoid" else hinge_loss
    return plain(
        margins_B=margins_B,
        probabilities_B=probabilities_B,
        weights_B=weights_B,
        beta=recipe.beta,
        denominator=denominator,
    )
