"""Online DPO: pairs of the policy as it is, labelled by the reward model, DPO's loss.

Guo et al. 2024 (with an AI judge for the labels). The reference stays frozen. β is the recipe's
KL coefficient.
"""

from functools import partial

import torch

from preftune.algorithms.groups import grouped, one_optimizer, reward_metrics
from preftune.algorithms.on_policy import (
    Evaluate,
    Objective,
    OnPolicyResult,
    Turns,
    judge,
    sample,
    update,
)
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.reading import micro_batch
from preftune.algorithms.scoring import ScoredRollout
from preftune.maths.losses.dpo import dpo_loss, log_ratio_margins
from preftune.recipe import OnlineDPO
from preftune.records import Generate, Score
from preftune.training import Journal, Loss


def online_dpo(
    recipe: OnlineDPO,
    inputs: OnPolicyInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy``."""
    training = one_optimizer(recipe, inputs)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    for turn in turns:
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        labels_N = labelled(recipe, scored)
        objective_of = partial(objective, inputs, scored, labels_N, turn.kl_coefficient)
        updated = update(recipe, training, turn, scored, objective_of, together=2)
        row = reward_metrics(scored, scored.scores_B, recipe.samples)
        turns.close(turn, scored, row | updated)
    return turns.result


def labelled(recipe: OnlineDPO, scored: ScoredRollout) -> torch.Tensor:
    """The probability that the first side of each pair is better, by the reward model, [N]."""
    first_N, second_N = grouped(scored.scores_B, 2).unbind(-1)
    difference_N = first_N - second_N
    if recipe.labels == "higher":
        return 0.5 * (1 + difference_N.sign())
    return difference_N.sigmoid()


def objective(
    inputs: OnPolicyInputs,
    scored: ScoredRollout,
    labels_N: torch.Tensor,
    beta: float,
    tokens: int,
    responses: int,
) -> Objective:
    """DPO's loss of a minibatch's pairs, whose sides stand side by side; the mean over pairs."""

    def of(indices: list[int]) -> Loss:
        micro = micro_batch(inputs, scored, indices)
        zero = micro.now.logprobs_BT.new_zeros(())
        now_B = torch.where(micro.mask_BT, micro.now.logprobs_BT, zero).sum(-1)
        reference_B = micro.of(scored.reference_logprobs_BT).sum(-1)
        labels_P = labels_N[[index // 2 for index in indices[::2]]].to(now_B.device)
        margins = log_ratio_margins(
            chosen_logprobs_B=now_B[::2],
            rejected_logprobs_B=now_B[1::2],
            reference_chosen_logprobs_B=reference_B[::2],
            reference_rejected_logprobs_B=reference_B[1::2],
        )
        loss = dpo_loss(
            margins_B=margins,
            probabilities_B=labels_P,
            weights_B=torch.ones_like(margins),
            beta=beta,
            denominator=responses / 2,
        )
        better = (2 * labels_P - 1).sign()
        agrees = 0.5 * (1 + better * margins.detach().sign())
        each = 2 * tokens / responses  # metrics are divided by tokens; these are of pairs
        return Loss(
            loss,
            micro.sums(scored)
            | {
                "loss/policy_avg": loss.detach() * tokens,
                "rewards/accuracies": agrees.sum() * each,
                "rewards/margins": (better * beta * margins.detach()).sum() * each,
            },
        )

    return of
