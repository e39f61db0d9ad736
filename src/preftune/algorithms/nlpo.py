"""NLPO: PPO among the tokens that an older copy of the policy finds likely.

Ramamurthy et al. 2023. A mask policy, copied from the policy every few iterations, allows its
top-p set at each position; sampler and loss see the policy renormalised to it. The ratio is that
of masked log-probabilities, the KL to the reference that of raw ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from preftune.algorithms.critic import (
    CreditedRollout,
    CriticInputs,
    credit,
    two_optimizers,
    warming,
    with_value_loss,
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
from preftune.algorithms.reading import MicroBatch, tabulate
from preftune.algorithms.scoring import ScoredRollout
from preftune.maths.losses.ppo import policy_loss
from preftune.models import ActionMask, Batch, Row, collate, masked_response_logits, statistics_of
from preftune.models import TokenStatistics as Statistics
from preftune.recipe import NLPO
from preftune.records import Generate, Score
from preftune.training import Journal, Loss, load_weights, weights_of

MASK = "mask:"
"""Before a parameter's name: the mask policy's, in checkpoints."""


@dataclass(frozen=True, slots=True)
class NLPOInputs(CriticInputs):
    """With the mask, whose network the engine reads too while it samples."""

    mask: ActionMask

    @property
    def restricted(self) -> bool:
        return True


def nlpo(
    recipe: NLPO,
    inputs: NLPOInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy`` and ``inputs.value``."""
    training = two_optimizers(recipe, inputs)
    turns = Turns(recipe, inputs, training, journal, evaluate)
    for turn in turns:
        renew_mask(recipe, inputs, turns, turn.number)
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        credited = credit(recipe, inputs, scored, turn.kl_coefficient)
        restricted = under_mask(recipe, inputs, credited)
        only = ["value"] if warming(recipe, turn.number) else None
        objective_of = partial(objective, recipe, inputs, restricted, only is None)
        updated = update(recipe, training, turn, scored, objective_of, only)
        turns.close(turn, scored, credited.metrics() | updated)
    return turns.result


def renew_mask(recipe: NLPO, inputs: NLPOInputs, turns: Turns, number: int) -> None:
    """The mask policy becomes the policy every ``mask_every`` iterations, else it is kept."""
    if (number - 1) % recipe.mask_every == 0:
        turns.tensors = {MASK + name: part for name, part in weights_of(inputs.policy).items()}
    kept = {name.removeprefix(MASK): part for name, part in turns.tensors.items()}
    load_weights(inputs.mask.network, kept)


def read(inputs: NLPOInputs, batch: Batch) -> Statistics:
    """What the policy, renormalised to what the mask allows, says of the response tokens."""
    temperature = inputs.sampling.temperature
    logits = masked_response_logits(inputs.policy, inputs.mask, batch, temperature)
    return statistics_of(logits, batch, temperature)


def under_mask(recipe: NLPO, inputs: NLPOInputs, credited: CreditedRollout) -> CreditedRollout:
    """The same rollout with the log-probabilities it was drawn with, for the ratio."""
    scored = credited.scored

    def say(rows: Sequence[Row]) -> torch.Tensor:
        batch = collate(rows, inputs.pad_id, inputs.policy.device)
        return read(inputs, batch).logprobs_BT

    masked_BT = tabulate(recipe, inputs, scored.rows, say)
    return replace(credited, scored=replace(scored, logprobs_BT=masked_BT))


def micro_batch(inputs: NLPOInputs, scored: ScoredRollout, indices: list[int]) -> MicroBatch:
    """These responses through the masked policy as it is now."""
    batch = collate([scored.rows[i] for i in indices], inputs.pad_id, inputs.policy.device)
    return MicroBatch(indices, batch, read(inputs, batch))


def objective(
    recipe: NLPO,
    inputs: NLPOInputs,
    rollout: CreditedRollout,
    policy_learns: bool,
    tokens: int,
    responses: int,
) -> Objective:
    """PPO's L_policy + c_v L_value with masked log-probabilities."""
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
        return with_value_loss(recipe, inputs, rollout, micro, policy, tokens)

    return of
