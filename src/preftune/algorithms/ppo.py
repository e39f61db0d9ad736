"""PPO: sample → score → credit → update, until the iterations are spent.

Ziegler et al. 2019, Stiennon et al. 2020, Ouyang et al. 2022. The KL to the reference is part of
the reward (k1 at every token); the value network is separate and starts from the reward model, or
it is a head on the policy's body.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from transformers import PreTrainedModel

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
from preftune.algorithms.reading import MicroBatch, micro_batch
from preftune.artifacts import derive_seed
from preftune.maths.losses.ppo import PolicyLoss, dual_clip_policy_loss, policy_loss
from preftune.maths.losses.sft import sft_loss
from preftune.maths.masked import masked_sum
from preftune.models import Row, collate, micro_batches, response_logprobs
from preftune.recipe import PPO
from preftune.records import Generate, Score
from preftune.training import Journal, Loss, load_weights, shuffled, weights_of

EMA = "ema:"
"""Before a parameter's name: its moving average, in checkpoints."""


@dataclass(frozen=True, slots=True)
class PPOInputs(CriticInputs):
    """With the text that is mixed in: each row's response is learned, its prompt is only read."""

    pretraining: Sequence[Row] = ()


def ppo(
    recipe: PPO,
    inputs: PPOInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> OnPolicyResult:
    """Leaves the optimised weights in ``inputs.policy`` and ``inputs.value``."""
    training = two_optimizers(recipe, inputs, partial(pretraining_losses, recipe, inputs))
    turns = Turns(recipe, inputs, training, journal, evaluate)
    for turn in turns:
        completions = sample(recipe, inputs, generate, turn.number)
        scored = judge(recipe, inputs, completions, score, turn.multipliers)
        credited = credit(recipe, inputs, scored, turn.kl_coefficient)
        only = ["value"] if warming(recipe, turn.number) else None
        objective_of = partial(objective, recipe, inputs, credited, only is None)
        before = weights_of(inputs.policy) if recipe.ema and not turns.tensors else {}
        updated = update(recipe, training, turn, scored, objective_of, only)
        average(recipe, turns, before, inputs.policy)
        turns.close(turn, scored, credited.metrics() | updated)
    if recipe.ema and turns.tensors:
        averaged = {name.removeprefix(EMA): part for name, part in turns.tensors.items()}
        load_weights(inputs.policy, averaged)
    return turns.result


def objective(
    recipe: PPO,
    inputs: CriticInputs,
    rollout: CreditedRollout,
    policy_learns: bool,
    tokens: int,
    responses: int,
) -> Objective:
    """L_policy + c_v L_value − c_H H over the responses of a minibatch."""
    scored, bonus = rollout.scored, recipe.entropy_coef

    def of(indices: list[int]) -> Loss:
        with torch.set_grad_enabled(policy_learns):
            micro = micro_batch(inputs, scored, indices, entropy_learns=bonus > 0)
        policy = clipped_surrogate(recipe, rollout, micro, tokens)
        loss = with_value_loss(recipe, inputs, rollout, micro, policy, tokens)
        if bonus:
            entropy = masked_sum(values_BT=micro.now.entropy_BT, mask_BT=micro.mask_BT) / tokens
            return Loss(loss.total - bonus * entropy, loss.sums)
        return loss

    return of


def clipped_surrogate(
    recipe: PPO, rollout: CreditedRollout, micro: MicroBatch, tokens: int
) -> PolicyLoss:
    """L_policy with one clip, or with the second one where the recipe has it."""
    surrogate = policy_loss
    if recipe.dual_clip is not None:
        surrogate = partial(dual_clip_policy_loss, dual_clip=recipe.dual_clip)
    return surrogate(
        logprobs_BT=micro.now.logprobs_BT,
        old_logprobs_BT=micro.of(rollout.scored.logprobs_BT),
        advantages_BT=micro.of(rollout.advantages_BT),
        action_mask_BT=micro.mask_BT,
        cliprange=recipe.cliprange,
        denominator=tokens,
    )


def pretraining_losses(recipe: PPO, inputs: PPOInputs, at: int) -> Iterator[Loss]:
    """γ · −log π of the documents of optimizer step ``at``, a mean over all their tokens.

    PPO-ptx (Ouyang et al. 2022, eq. 2). The documents come in seeded, endless shuffles.
    """
    mix, texts = recipe.ptx, inputs.pretraining
    if mix is None or not mix.coefficient:
        return
    count = recipe.rollouts // recipe.minibatches * mix.ratio
    seed = derive_seed(inputs.seed, "ptx")
    epochs = range(at * count // len(texts), ((at + 1) * count - 1) // len(texts) + 1)
    orders = {epoch: shuffled(len(texts), seed, epoch) for epoch in epochs}
    places = [divmod(place, len(texts)) for place in range(at * count, (at + 1) * count)]
    rows = [texts[orders[epoch][index]] for epoch, index in places]
    tokens = sum(len(row.response_ids) for row in rows)
    for group in micro_batches([len(row) for row in rows], recipe.micro_batch_tokens):
        batch = collate([rows[i] for i in group], inputs.pad_id, inputs.policy.device)
        loss = sft_loss(
            logprobs_BT=response_logprobs(inputs.policy, batch, temperature=1.0),
            action_mask_BT=batch.action_mask_BT,
            denominator=tokens,
        )
        yield Loss(mix.coefficient * loss, {"loss/ptx_avg": loss})


def average(
    recipe: PPO, turns: Turns, before: dict[str, torch.Tensor], policy: PreTrainedModel
) -> None:
    """θ̄ ← μ θ̄ + (1 − μ) θ after an iteration; θ̄ begins as the weights ``before`` the first."""
    if recipe.ema is None:
        return
    old = turns.tensors or {EMA + name: part for name, part in before.items()}
    turns.tensors = {
        EMA + name: torch.lerp(old[EMA + name], part, 1 - recipe.ema)
        for name, part in weights_of(policy).items()
    }
