"""SimPO: the mean log-probability a token is the reward, with a margin and without a reference.

Meng et al. 2024. What is trained is what sampling uses, the likelihood itself, and length does not
count; nothing holds the policy to where it started but the learning rate.
"""

from collections.abc import Sequence
from functools import partial

from preftune.algorithms.offline import (
    Objective,
    OfflineResult,
    PairInputs,
    Pairs,
    learn,
    pair_metrics,
    read_pairs,
)
from preftune.maths.losses.simpo import simpo_loss
from preftune.recipe import SimPO
from preftune.training import Journal, Loss


def simpo(recipe: SimPO, inputs: PairInputs, journal: Journal) -> OfflineResult:
    """Leaves the best weights in ``inputs.policy``."""
    objective_of = partial(objective, recipe, inputs)
    parts = Pairs(inputs.train), Pairs(inputs.validation)
    return learn(recipe, inputs.policy, inputs.seed, parts, objective_of, journal)


def objective(recipe: SimPO, inputs: PairInputs, part: Pairs, drawn: Sequence[int]) -> Objective:
    """The weighted mean over the drawn pairs of −log σ(β (mean_w − mean_l) − γ)."""
    weight = part.weight(drawn)

    def loss(indices: list[int]) -> Loss:
        sums = read_pairs(inputs.policy, part, indices)
        now = sums.means()
        total = simpo_loss(
            chosen_mean_logprobs_B=now.chosen_B,
            rejected_mean_logprobs_B=now.rejected_B,
            probabilities_B=now.probabilities_B,
            weights_B=now.weights_B,
            beta=recipe.beta,
            gamma=recipe.gamma,
            denominator=weight,
        )
        rewards = recipe.beta * now.chosen_B, recipe.beta * now.rejected_B
        return Loss(total, pair_metrics(sums, *rewards, len(drawn)))

    return loss
