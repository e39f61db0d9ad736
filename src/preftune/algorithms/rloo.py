"""RLOO: each response against the mean reward of the others to its prompt.

Kool et al. 2019; Ahmadian et al. 2024. The KL is in the reward (k1, summed over the response) and
the whole response is one action with one clipped ratio.
"""

from functools import partial

from preftune.algorithms.groups import (
    ComparedRollout,
    compared,
    grouped,
    one_optimizer,
    penalised_rewards,
)
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
from preftune.maths.baselines import above_the_others
from preftune.maths.losses.rloo import rloo_loss
from preftune.recipe import RLOO
from preftune.records import Generate, Score
from preftune.training import Journal, Loss


def rloo(
    recipe: RLOO,
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
        rewards_B = penalised_rewards(scored, turn.kl_coefficient)
        advantages_NG = above_the_others(rewards_NG=grouped(rewards_B, recipe.samples))
        rollout = compared(scored, rewards_B, advantages_NG, recipe.samples)
        objective_of = partial(objective, recipe, inputs, rollout)
        updated = update(recipe, training, turn, scored, objective_of)
        turns.close(turn, scored, rollout.metrics() | updated)
    return turns.result


def objective(
    recipe: RLOO, inputs: OnPolicyInputs, rollout: ComparedRollout, tokens: int, responses: int
) -> Objective:
    """The clipped surrogate of whole responses, the mean over responses."""
    scored = rollout.scored

    def of(indices: list[int]) -> Loss:
        micro = micro_batch(inputs, scored, indices)
        policy = rloo_loss(
            logprobs_BT=micro.now.logprobs_BT,
            old_logprobs_BT=micro.of(scored.logprobs_BT),
            advantages_B=micro.of(rollout.advantages_B),
            action_mask_BT=micro.mask_BT,
            cliprange=recipe.cliprange,
            denominator=responses,
        )
        return Loss(
            policy.loss,
            micro.sums(scored)
            | {
                "loss/policy_avg": policy.loss.detach() * tokens,
                "policy/clipfrac_avg": policy.clipped * (tokens / responses),
            },
        )

    return of
