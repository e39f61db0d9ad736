"""REINFORCE++: returns normalised over the whole batch in place of a critic, PPO's clipped loss.

Hu et al. 2025. Without a baseline the KL is in the reward (k1 at every token) and a token's
advantage is its return, whitened over the batch's tokens. With the group's mean as baseline the
differences are scaled by one spread for the whole batch, and the KL is in the loss (k2).
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
from preftune.algorithms.scoring import ScoredRollout
from preftune.maths.advantages import token_rewards
from preftune.maths.aggregation import token_mean
from preftune.maths.baselines import batch_scaled, returns_to_go
from preftune.maths.losses.grpo import k2_losses
from preftune.maths.losses.ppo import policy_loss
from preftune.maths.masked import whiten
from preftune.recipe import ReinforcePlusPlus
from preftune.records import Generate, Score
from preftune.training import Journal, Loss


def reinforce_plus_plus(
    recipe: ReinforcePlusPlus,
    inputs: OnPolicyInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy``."""
    training = one_optimizer(recipe, inputs)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    with_baseline = recipe.baseline == "group_mean"
    for turn in turns:
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        if with_baseline:
            rollout, loss_kl = above_the_group(recipe, scored), turn.kl_coefficient
        else:
            rollout, loss_kl = normalised(recipe, scored, turn.kl_coefficient), 0.0
        objective_of = partial(objective, recipe, inputs, rollout, loss_kl)
        updated = update(recipe, training, turn, scored, objective_of)
        turns.close(turn, scored, rollout.metrics() | updated)
    return turns.result


def normalised(
    recipe: ReinforcePlusPlus, scored: ScoredRollout, kl_coefficient: float
) -> ComparedRollout:
    """A_t = (G_t − mean)/std over the batch's tokens, G_t = r − β Σ_{i ≥ t} KL_i."""
    mask_BT = scored.action_mask_BT
    rewards_BT = token_rewards(
        scores_B=scored.scores_B,
        kl_BT=scored.kl_BT,
        action_mask_BT=mask_BT,
        kl_coefficient=kl_coefficient,
    )
    returns_BT = returns_to_go(rewards_BT=rewards_BT, action_mask_BT=mask_BT)
    advantages_BT = whiten(values_BT=returns_BT, mask_BT=mask_BT)
    rewards_B = penalised_rewards(scored, kl_coefficient)
    return ComparedRollout(scored, rewards_B, advantages_BT, recipe.samples)


def above_the_group(recipe: ReinforcePlusPlus, scored: ScoredRollout) -> ComparedRollout:
    """Scores less their group's mean, over the batch's spread; one advantage a response."""
    advantages_NG = batch_scaled(rewards_NG=grouped(scored.scores_B, recipe.samples))
    return compared(scored, scored.scores_B, advantages_NG, recipe.samples)


def objective(
    recipe: ReinforcePlusPlus,
    inputs: OnPolicyInputs,
    rollout: ComparedRollout,
    kl_coefficient: float,
    tokens: int,
    responses: int,
) -> Objective:
    """PPO's clipped surrogate, plus β k2 where the KL is in the loss; the mean over tokens."""
    scored = rollout.scored

    def of(indices: list[int]) -> Loss:
        micro = micro_batch(inputs, scored, indices)
        policy = policy_loss(
            logprobs_BT=micro.now.logprobs_BT,
            old_logprobs_BT=micro.of(scored.logprobs_BT),
            advantages_BT=micro.of(rollout.advantages_BT),
            action_mask_BT=micro.mask_BT,
            cliprange=recipe.cliprange,
            denominator=tokens,
        )
        kl_BT = k2_losses(
            logprobs_BT=micro.now.logprobs_BT,
            reference_logprobs_BT=micro.of(scored.reference_logprobs_BT),
            action_mask_BT=micro.mask_BT,
        )
        kl = token_mean(losses_BT=kl_BT, action_mask_BT=micro.mask_BT, tokens=tokens)
        return Loss(
            policy.loss + kl_coefficient * kl,
            micro.sums(scored)
            | {
                "loss/policy_avg": policy.loss.detach() * tokens,
                "kl": kl.detach() * tokens,
                "policy/clipfrac_avg": policy.clipped,
            },
        )

    return of
