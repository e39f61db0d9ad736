"""A2C: sample → score → credit → one gradient step, until the iterations are spent.

Mnih et al. 2016, as Ramamurthy et al. 2023 used it on language: λ = 1, RMSprop. No ratio and no
clip, because every response is used once, by the policy that wrote it.
"""

from functools import partial

import torch

from preftune.algorithms.critic import (
    CreditedRollout,
    CriticInputs,
    credit,
    two_optimizers,
    values_now,
    warming,
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
from preftune.algorithms.reading import micro_batch
from preftune.maths.losses.a2c import actor_loss, critic_loss
from preftune.recipe import A2C
from preftune.records import Generate, Score
from preftune.training import Journal, Loss


def a2c(
    recipe: A2C,
    inputs: CriticInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy`` and ``inputs.value``."""
    training = two_optimizers(recipe, inputs)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    for turn in turns:
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        credited = credit(recipe, inputs, scored, turn.kl_coefficient)
        only = ["value"] if warming(recipe, turn.number) else None
        objective_of = partial(objective, recipe, inputs, credited, only is None)
        updated = update(recipe, training, turn, scored, objective_of, only)
        turns.close(turn, scored, credited.metrics() | updated)
    return turns.result


def objective(
    recipe: A2C,
    inputs: CriticInputs,
    rollout: CreditedRollout,
    policy_learns: bool,
    tokens: int,
    responses: int,
) -> Objective:
    """−mean A log π + c_v mean (V − G)² over an iteration's response tokens."""
    scored = rollout.scored

    def of(indices: list[int]) -> Loss:
        with torch.set_grad_enabled(policy_learns):
            micro = micro_batch(inputs, scored, indices)
        actor = actor_loss(
            logprobs_BT=micro.now.logprobs_BT,
            advantages_BT=micro.of(rollout.advantages_BT),
            action_mask_BT=micro.mask_BT,
            denominator=tokens,
        )
        critic = critic_loss(
            values_BT=values_now(recipe, inputs, micro),
            returns_BT=micro.of(rollout.returns_BT),
            action_mask_BT=micro.mask_BT,
            denominator=tokens,
        )
        seen = {
            "loss/policy_avg": actor.detach() * tokens,
            "loss/value_avg": critic.detach() * tokens,
        }
        return Loss(actor + recipe.vf_coef * critic, micro.sums(scored) | seen)

    return of
