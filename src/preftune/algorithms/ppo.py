"""PPO: sample → score → credit → update, until the iterations are spent.

Ziegler et al. 2019, Stiennon et al. 2020, Ouyang et al. 2022. The KL to the reference is part of
the reward (k1 at every token); the value network is separate and starts from the reward model.
"""

from functools import partial

import torch

from preftune.algorithms.critic import (
    CreditedRollout,
    CriticInputs,
    clipped_value_loss,
    credit,
    two_optimizers,
    warming,
)
from preftune.algorithms.on_policy import (
    Evaluate,
    Objective,
    OnPolicyResult,
    Turns,
    judge,
    micro_batch,
    sample,
    update,
)
from preftune.maths.losses.ppo import policy_loss
from preftune.recipe import PPO
from preftune.records import Generate, Score
from preftune.training import Journal, Loss


def ppo(
    recipe: PPO,
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
        scored = judge(recipe, inputs, completions, score)
        credited = credit(recipe, inputs, scored, turn.kl_coefficient)
        only = ["value"] if warming(recipe, turn.number) else None
        objective_of = partial(objective, recipe, inputs, credited, only is None)
        updated = update(recipe, training, turn, scored, objective_of, only)
        turns.close(turn, scored, credited.metrics() | updated)
    return turns.result


def objective(
    recipe: PPO,
    inputs: CriticInputs,
    rollout: CreditedRollout,
    policy_learns: bool,
    tokens: int,
    responses: int,
) -> Objective:
    """L_policy + c_v L_value over the responses of a minibatch (Schulman et al. 2017, eq. 9)."""
    scored = rollout.scored

    def of(indices: list[int]) -> Loss:
        with torch.set_grad_enabled(policy_learns):
            micro = micro_batch(inputs, scored, indices)
        policy = policy_loss(
            logprobs_BT=micro.now.logprobs_BT,
            old_logprobs_BT=micro.of(scored.logprobs_BT),
            advantages_BT=micro.of(rollout.advantages_BT),
            action_mask_BT=micro.mask_BT,
            cliprange=recipe.cliprange,
            denominator=tokens,
        )
        critic = clipped_value_loss(recipe, inputs, rollout, micro, tokens)
        return Loss(
            policy.loss + recipe.vf_coef * critic.loss,
            micro.sums(scored)
            | {
                "loss/policy_avg": policy.loss.detach() * tokens,
                "loss/value_avg": critic.loss.detach() * tokens,
                "policy/clipfrac_avg": policy.clipped,
                "val/clipfrac_avg": critic.clipped,
            },
        )

    return of
