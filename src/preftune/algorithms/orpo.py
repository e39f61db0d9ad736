"""ORPO: fine-tuning on the chosen answers and preference in one loss, without a reference.

Hong et al. 2024. The likelihood term teaches the chosen answer, the odds ratio keeps the rejected
one from rising with it.
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
from preftune.maths.losses.dpo import chosen_nll
from preftune.maths.losses.orpo import log_odds, orpo_loss
from preftune.recipe import ORPO
from preftune.training import Journal, Loss


def orpo(recipe: ORPO, inputs: PairInputs, journal: Journal) -> OfflineResult:
    """Leaves the best weights in ``inputs.policy``."""
    objective_of = partial(objective, recipe, inputs)
    parts = Pairs(inputs.train), Pairs(inputs.validation)
    return learn(recipe, inputs.policy, inputs.seed, parts, objective_of, journal)


def objective(recipe: ORPO, inputs: PairInputs, part: Pairs, drawn: Sequence[int]) -> Objective:
    """The weighted mean over the drawn pairs of NLL + λ times the odds ratio's loss."""
    weight = part.weight(drawn)

    def loss(indices: list[int]) -> Loss:
        sums = read_pairs(inputs.policy, part, indices)
        now = sums.means()
        total = orpo_loss(
            chosen_mean_logprobs_B=now.chosen_B,
            rejected_mean_logprobs_B=now.rejected_B,
            probabilities_B=now.probabilities_B,
            weights_B=now.weights_B,
            lam=recipe.lam,
            denominator=weight,
        )
        rewards = recipe.lam * now.chosen_B, recipe.lam * now.rejected_B
        metrics = pair_metrics(sums, *rewards, len(drawn))
        chosen = log_odds(mean_logprobs_B=now.chosen_B.detach())
        rejected = log_odds(mean_logprobs_B=now.rejected_B.detach())
        metrics["log_odds_chosen"] = (chosen - rejected).sum() / len(drawn)
        metrics["nll_loss"] = chosen_nll(
            chosen_mean_logprobs_B=now.chosen_B.detach(),
            weights_B=now.weights_B,
            denominator=weight,
        )
        return Loss(total, metrics)

    return loss
