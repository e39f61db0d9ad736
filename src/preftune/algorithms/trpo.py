"""TRPO: sample → score → credit → one natural-gradient step held to a KL, then the critic.

Schulman et al. 2015. The direction solves (F + damping) s = g by conjugate gradient, its length is
that at which the quadratic model of the mean KL(old ‖ new) is δ, and a line search shortens it
until the KL itself is within δ and the surrogate is better; else the weights stay as they were.
"""

import copy
from functools import partial

from preftune.algorithms.critic import (
    CreditedRollout,
    CriticInputs,
    credit,
    value_parameters,
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
from preftune.algorithms.trust_region import Region
from preftune.maths.losses.a2c import critic_loss
from preftune.models import collate, values
from preftune.recipe import TRPO
from preftune.records import Generate, Score
from preftune.training import Journal, Loss, Training, load_weights, weights_of


def trpo(
    recipe: TRPO,
    inputs: CriticInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy`` and ``inputs.value``."""
    training = Training(
        {"policy": inputs.policy, "value": value_parameters(recipe, inputs)},
        {"value": recipe.value_optimizer},
        total_steps=recipe.iterations * recipe.epochs * recipe.minibatches,
        seed=inputs.seed,
    )
    old = copy.deepcopy(inputs.policy)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    for turn in turns:
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        credited = credit(recipe, inputs, scored, turn.kl_coefficient)
        moved = {}
        if not warming(recipe, turn.number):
            load_weights(old, weights_of(inputs.policy))
            moved = Region(recipe, inputs, credited, old, limit(recipe, turn.number)).step()
        learns = partial(value_objective, inputs, credited, recipe.value == "separate")
        updated = update(recipe, training, turn, scored, learns)
        kept = {name: updated[name] for name in ("loss/value_avg", "value/grad_norm")}
        turns.close(turn, scored, credited.metrics() | moved | kept)
    return turns.result


def limit(recipe: TRPO, number: int) -> float:
    """δ of iteration ``number`` (from 1)."""
    if recipe.kl_limit_final is None:
        return recipe.kl_limit
    done = (number - 1) / max(recipe.iterations - 1, 1)
    return recipe.kl_limit + done * (recipe.kl_limit_final - recipe.kl_limit)


def value_objective(
    inputs: CriticInputs, rollout: CreditedRollout, body_learns: bool, tokens: int, responses: int
) -> Objective:
    """mean (V − G)² over the response tokens of a minibatch."""
    scored = rollout.scored

    def of(indices: list[int]) -> Loss:
        batch = collate([scored.rows[i] for i in indices], inputs.pad_id, inputs.policy.device)
        returns_BT = rollout.returns_BT[indices, : batch.width].to(batch.action_mask_BT.device)
        loss = critic_loss(
            values_BT=values(inputs.value, batch, body_learns),
            returns_BT=returns_BT,
            action_mask_BT=batch.action_mask_BT,
            denominator=tokens,
        )
        return Loss(loss, {"loss/value_avg": loss.detach() * tokens})

    return of
