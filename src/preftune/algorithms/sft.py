"""Supervised fine-tuning: imitate demonstrations, keep the step that generalises best.

The loss is on completions only; prompts are read, never learned (Ouyang et al. 2022, §3.5).
What is kept is the step with the lowest validation loss, not the last one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.maths.losses.sft import sft_loss
from preftune.maths.masked import masked_sum
from preftune.models import Row, collate, micro_batches, response_statistics
from preftune.recipe import SFT
from preftune.training import Best, Journal, Loss, StepReport, Training, batch_indices
from preftune.training.order import steps_per_epoch


@dataclass(frozen=True, slots=True)
class SFTInputs:
    """The model that learns, demonstrations as rows of ids, and held-out ones (may be empty)."""

    policy: PreTrainedModel
    pad_id: int
    train: Sequence[Row]
    validation: Sequence[Row]
    seed: int


@dataclass(frozen=True, slots=True)
class SFTResult:
    """Optimizer steps done, the step kept, and the validation losses before and at that step."""

    steps: int
    kept_step: int
    first_eval_loss: float | None
    best_eval_loss: float | None


def sft(recipe: SFT, inputs: SFTInputs, journal: Journal) -> SFTResult:
    """Leaves the best weights in ``inputs.policy``."""
    per_epoch = steps_per_epoch(len(inputs.train), recipe.batch_size)
    total = per_epoch * recipe.epochs
    training = Training({"policy": inputs.policy}, {"policy": recipe.optimizer}, total, inputs.seed)
    done, state, kept = journal.resume(training)
    best = Best.resumed(recipe.patience, state.get("best", {}), kept)
    first, tokens = state.get("first_eval_loss"), state.get("num_tokens", 0.0)
    if first is None and inputs.validation:
        first = completion_loss(inputs, inputs.validation, recipe.micro_batch_tokens)
    finished = False

    with journal.progress("sft", total) as bar:
        bar.resume(done)
        for at in range(done, total):
            step = at + 1
            chosen = batch_indices(len(inputs.train), recipe.batch_size, at, inputs.seed)
            rows = [inputs.train[i] for i in chosen]
            report = imitate(training, inputs, rows, recipe.micro_batch_tokens, at)
            tokens += report.sums["num_tokens"]
            values = _metrics(report, step / per_epoch) | {"num_tokens": tokens}
            if inputs.validation and (step % recipe.evaluate_every == 0 or step == total):
                values["eval_loss"] = completion_loss(
                    inputs, inputs.validation, recipe.micro_batch_tokens
                )
                finished = best.offer(-values["eval_loss"], step, inputs.policy)
            journal.record(step, values)
            bar.advance(1, f"loss {values['loss']:.3f}")
            if finished:
                break
            state = {"best": best.state(), "first_eval_loss": first, "num_tokens": tokens}
            journal.checkpoint(step, training, state, best.weights)
    best.restore(inputs.policy)
    return SFTResult(
        steps=step if total > done else done,
        kept_step=best.step or total,
        first_eval_loss=first,
        best_eval_loss=-best.value if best.step else None,
    )


def imitate(
    training: Training, inputs: SFTInputs, rows: Sequence[Row], micro_batch_tokens: int, at: int
) -> StepReport:
    """One optimizer step on these demonstrations: the mean over their completion tokens."""
    inputs.policy.train()
    tokens = sum(len(row.response_ids) for row in rows)

    def objective(indices: list[int]) -> Loss:
        batch = collate([rows[i] for i in indices], inputs.pad_id, inputs.policy.device)
        statistics = response_statistics(inputs.policy, batch, temperature=1.0)
        mask = batch.action_mask_BT
        entropy = masked_sum(values_BT=statistics.entropy_BT, mask_BT=mask) / tokens
        loss = sft_loss(logprobs_BT=statistics.logprobs_BT, action_mask_BT=mask, denominator=tokens)
        return Loss(loss, {"entropy": entropy, "num_tokens": mask.sum()})

    groups = micro_batches([len(row) for row in rows], micro_batch_tokens)
    report = training.step(groups, objective, at=at)
    inputs.policy.eval()
    return report


@torch.no_grad()
def completion_loss(inputs: SFTInputs, rows: Sequence[Row], micro_batch_tokens: int) -> float:
    """Mean negative log-likelihood of the completions, in nats a token."""
    tokens = sum(len(row.response_ids) for row in rows)
    total = 0.0
    for indices in micro_batches([len(row) for row in rows], micro_batch_tokens):
        batch = collate([rows[i] for i in indices], inputs.pad_id, inputs.policy.device)
        statistics = response_statistics(inputs.policy, batch, temperature=1.0)
        total += float(
            sft_loss(
                logprobs_BT=statistics.logprobs_BT,
                action_mask_BT=batch.action_mask_BT,
                denominator=tokens,
            )
        )
    return total


def _metrics(report: StepReport, epoch: float) -> dict[str, float]:
    return {
        "loss": report.loss,
        "entropy": report.sums["entropy"],
        "grad_norm": report.grad_norms["policy"],
        "learning_rate": report.learning_rates["policy"],
        "epoch": epoch,
    }
