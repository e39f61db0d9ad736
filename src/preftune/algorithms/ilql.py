"""ILQL: learn what tokens are worth from text with rewards, then decode by it.

Snell et al. 2023. Two Q heads and a V head read the policy's states. V learns an expectile of the
smaller slow Q, Q learns reward plus the next V, the CQL term holds down tokens nobody wrote, and
the policy imitates. Decoding adds β (Q − V) to the policy's log-probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.maths.advantages import token_rewards
from preftune.maths.logprobs import token_logprobs
from preftune.maths.losses.ilql import (
    conservative_loss,
    expectile_loss,
    q_loss,
    weighted_imitation_loss,
)
from preftune.maths.masked import masked_sum
from preftune.models import Batch, Row, ValueHeads, collate, micro_batches, read_states
from preftune.recipe import ILQL
from preftune.training import Journal, Loss, StepReport, Training, batch_indices
from preftune.training.order import steps_per_epoch


@dataclass(frozen=True, slots=True)
class Episode:
    """A prompt with its response as ids, and what the response was worth as a whole."""

    row: Row
    reward: float


@dataclass(frozen=True, slots=True)
class ILQLInputs:
    """The policy and the value heads, which both learn, and rewarded text."""

    policy: PreTrainedModel
    heads: ValueHeads
    pad_id: int
    train: Sequence[Episode]
    seed: int


@dataclass(frozen=True, slots=True)
class ILQLResult:
    """Optimizer steps done, and the last step's mean Q and V of the tokens written."""

    steps: int
    mean_q: float
    mean_v: float


def ilql(recipe: ILQL, inputs: ILQLInputs, journal: Journal) -> ILQLResult:
    """Leaves the trained weights in ``inputs.policy`` and ``inputs.heads``."""
    per_epoch = steps_per_epoch(len(inputs.train), recipe.batch_size)
    total = per_epoch * recipe.epochs
    training = Training(
        {"policy": inputs.policy, "heads": inputs.heads},
        {"policy": recipe.optimizer, "heads": recipe.value_optimizer},
        total,
        inputs.seed,
    )
    done, state, _ = journal.resume(training)
    values = {name: float(state.get(name, 0.0)) for name in ("value/mean_q", "value/mean_v")}
    tokens = float(state.get("num_tokens", 0.0))

    with journal.progress("ilql", total) as bar:
        bar.resume(done)
        for at in range(done, total):
            step = at + 1
            chosen = batch_indices(len(inputs.train), recipe.batch_size, at, inputs.seed)
            report = learn(recipe, training, inputs, [inputs.train[i] for i in chosen], at)
            if step % recipe.target_every == 0:
                inputs.heads.follow(recipe.target_share)
            tokens += report.sums["num_tokens"]
            metrics = _metrics(report) | {"num_tokens": tokens, "epoch": step / per_epoch}
            values = {name: metrics[name] for name in values}
            journal.record(step, metrics)
            bar.advance(1, f"loss {metrics['loss']:.3f} Q {values['value/mean_q']:.2f}")
            journal.checkpoint(step, training, values | {"num_tokens": tokens})
    return ILQLResult(total, values["value/mean_q"], values["value/mean_v"])


def learn(
    recipe: ILQL, training: Training, inputs: ILQLInputs, episodes: Sequence[Episode], at: int
) -> StepReport:
    """One optimizer step on these episodes: every loss is a mean over their tokens."""
    rows = [episode.row for episode in episodes]
    tokens = sum(len(row.response_ids) for row in rows)
    inputs.policy.eval()  # the slow heads and the learning ones must read the same states

    def objective(indices: list[int]) -> Loss:
        batch = collate([rows[i] for i in indices], inputs.pad_id, inputs.policy.device)
        scores_B = torch.tensor(
            [episodes[i].reward for i in indices], device=batch.action_mask_BT.device
        )
        return losses_of(recipe, inputs, batch, scores_B, tokens)

    return training.step(
        micro_batches([len(row) for row in rows], recipe.micro_batch_tokens), objective, at=at
    )


def losses_of(
    recipe: ILQL, inputs: ILQLInputs, batch: Batch, scores_B: torch.Tensor, tokens: int
) -> Loss:
    """Every part of the loss on some rows, as a share of all ``tokens`` of the step."""
    mask, written = batch.action_mask_BT, batch.response_ids_BT
    logits, states = read_states(inputs.policy, batch)
    rewards = token_rewards(
        scores_B=scores_B,
        kl_BT=torch.zeros_like(mask, dtype=scores_B.dtype),
        action_mask_BT=mask,
        kl_coefficient=0.0,
    )
    values = inputs.heads.values(states)
    with torch.no_grad():
        slow = taken(inputs.heads.slow_q_values(states), written)
    losses = {
        "loss/v": expectile_loss(
            values_BT=values,
            target_q_BT=slow,
            action_mask_BT=mask,
            tau=recipe.tau,
            denominator=tokens,
        ),
        "loss/imitation": weighted_imitation_loss(
            logprobs_BT=token_logprobs(logits_BTV=logits, tokens_BT=written, temperature=1.0),
            advantages_BT=slow - values,
            action_mask_BT=mask,
            beta=recipe.imitation_beta,
            denominator=tokens,
        ),
        "loss/q": torch.zeros((), device=states.device),
        "loss/conservative": torch.zeros((), device=states.device),
    }
    for q in inputs.heads.q_values(states):
        losses["loss/q"] = losses["loss/q"] + q_loss(
            q_BT=taken(q, written),
            rewards_BT=rewards,
            values_BT=values,
            action_mask_BT=mask,
            gamma=recipe.gamma,
            denominator=tokens,
        )
        losses["loss/conservative"] = losses["loss/conservative"] + conservative_loss(
            q_BTV=q, tokens_BT=written, action_mask_BT=mask, denominator=tokens
        )
    total = losses["loss/q"] + losses["loss/v"] + recipe.imitation * losses["loss/imitation"]
    return Loss(
        total + recipe.conservative * losses["loss/conservative"],
        losses
        | {
            "value/mean_q": masked_sum(values_BT=slow, mask_BT=mask) / tokens,
            "value/mean_v": masked_sum(values_BT=values, mask_BT=mask) / tokens,
            "num_tokens": mask.sum(),
        },
    )


def taken(q_BTV: torch.Tensor, tokens_BT: torch.Tensor) -> torch.Tensor:
    """Q of the tokens written, [B, T]."""
    return q_BTV.gather(-1, tokens_BT.unsqueeze(-1)).squeeze(-1)


def _metrics(report: StepReport) -> dict[str, float]:
    return {
        "loss": report.loss,
        "grad_norm": report.grad_norms["policy"],
        "value/grad_norm": report.grad_norms["heads"],
        "learning_rate": report.learning_rates["policy"],
        **{name: total for name, total in report.sums.items() if name != "num_tokens"},
    }
