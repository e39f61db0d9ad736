"""The reward model: a score whose differences predict which of two answers people prefer.

Bradley–Terry on pairs (Christiano et al. 2017; Stiennon et al. 2020) unless the recipe names
another objective. One epoch is usual; the step with the best validation accuracy is kept, or with
the least loss where there is no accuracy. Afterwards the score is normalised on demonstrations, so
that a demonstration's score has mean 0 and standard deviation 1.

A step takes batch elements: single comparisons, or whole prompts with all of theirs (Ouyang et al.
2022, §3.5), a ranking, a rated answer, an answer with labelled steps. An answer that stands in a
micro-batch several times goes through the network once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from preftune.algorithms.reward_answers import LabelledAnswers, LabelledSteps, Rankings, Ratings
from preftune.algorithms.reward_batches import (
    Objective,
    Pair,
    Ranked,
    Rated,
    Scored,
    Stepped,
    Totals,
)
from preftune.algorithms.reward_comparisons import Comparisons, WholePrompts
from preftune.maths.losses.reward_model import normalisation
from preftune.models import (
    Row,
    axes_of,
    collate,
    micro_batches,
    scores,
    scores_of_rows,
    set_normalisation,
    shares_prompts,
    tokens_read,
)
from preftune.recipe import BradleyTerry, KWise, Process, RewardModel, Rules
from preftune.rewards import scores_side_by_side
from preftune.training import Best, Journal, Loss, StepReport, Training, batch_indices
from preftune.training.order import steps_per_epoch

Example = Pair | Ranked | Rated | Stepped
"""A row of data as token ids; which kind, the objective says."""


@dataclass(frozen=True, slots=True)
class RewardInputs:
    """The model that learns, examples, held-out ones, and demonstrations to normalise on.

    The model's configuration names its axes or steps where the objective has any.
    """

    model: PreTrainedModel
    pad_id: int
    train: Sequence[Example]
    validation: Sequence[Example]
    demonstrations: Sequence[Row]
    seed: int


@dataclass(frozen=True, slots=True)
class RewardResult:
    """Optimizer steps done, the step kept, its validation accuracy (if any) and loss."""

    steps: int
    kept_step: int
    best_eval_accuracy: float | None
    best_eval_loss: float | None = None


def reward_model(recipe: RewardModel, inputs: RewardInputs, journal: Journal) -> RewardResult:
    """Leaves the best weights, normalised, in ``inputs.model``."""
    objective = objective_of(recipe, inputs.model)
    elements = objective.elements(inputs.train)
    per_epoch = steps_per_epoch(len(elements), recipe.batch_size)
    total = per_epoch * recipe.epochs
    training = Training({"reward": inputs.model}, {"reward": recipe.optimizer}, total, inputs.seed)
    done, state, kept = journal.resume(training)
    best = Best.resumed(recipe.patience, state.get("best", {}), kept)
    finished = False

    with journal.progress("reward model", total) as bar:
        bar.resume(done)
        for at in range(done, total):
            step = at + 1
            drawn = batch_indices(len(elements), recipe.batch_size, at, inputs.seed)
            batch = [elements[i] for i in drawn]
            report, totals = learn(training, inputs, objective, batch, recipe, at)
            values = {"loss": report.loss} | objective.metrics(report.sums, totals)
            values |= _metrics(report, step / per_epoch)
            if inputs.validation and (step % recipe.evaluate_every == 0 or step == total):
                values |= validate(inputs, objective, inputs.validation, recipe)
                # Accuracy moves in whole pairs; the loss breaks its ties.
                quality = values.get("eval_accuracy", 0.0) - 1e-3 * values["eval_loss"]
                finished = best.offer(quality, step, inputs.model)
            journal.record(step, values)
            bar.advance(1, _note(values))
            if finished:
                break
            journal.checkpoint(step, training, {"best": best.state()}, best.weights)
    best.restore(inputs.model)
    held_out: dict[str, float] = {}
    if inputs.validation:
        held_out = validate(inputs, objective, inputs.validation, recipe)
    if inputs.demonstrations:
        raw = score_rows(inputs, inputs.demonstrations, recipe.micro_batch_tokens)
        set_normalisation(inputs.model, *normalisation(raw_scores_B=raw))
    return RewardResult(
        step if total > done else done,
        best.step or total,
        held_out.get("eval_accuracy"),
        held_out.get("eval_loss"),
    )


def objective_of(recipe: RewardModel, model: PreTrainedModel) -> Objective[Any]:
    """The recipe's objective; what it needs to know of the model stands in its configuration."""
    settings = recipe.objective
    if isinstance(settings, BradleyTerry):
        return Comparisons(settings, recipe.center, recipe.batching)
    if isinstance(settings, KWise):
        return WholePrompts()
    if isinstance(settings, Process):
        return LabelledSteps()
    if isinstance(settings, Rules):
        return LabelledAnswers()
    if settings.kind in ("plackett_luce", "best_of_softmax"):
        return Rankings(settings.kind)
    axes = axes_of(model.config)
    assert axes is not None
    return Ratings(axes.gains)


def learn(
    training: Training,
    inputs: RewardInputs,
    objective: Objective[Any],
    elements: Sequence[Sequence[Any]],
    recipe: RewardModel,
    at: int,
) -> tuple[StepReport, Totals]:
    """One optimizer step on these elements, and what was counted in them."""
    totals = objective.totals(elements)

    def cost(indices: list[int]) -> Loss:
        group = [elements[i] for i in indices]
        rows = objective.rows([example for element in group for example in element])
        limit = recipe.micro_batch_tokens
        dropped = (recipe.dropout, recipe.token_dropout)
        scored = _scored(inputs, objective, rows, limit, *dropped)
        return objective.loss(group, scored, totals)

    inputs.model.train()
    share = objective.read is scores and shares_prompts(inputs.model)
    tokens = [tokens_read(objective.rows(element), share) for element in elements]
    groups = micro_batches(tokens, recipe.micro_batch_tokens)
    report = training.step(groups, cost, at=at)
    inputs.model.eval()
    return report, totals


@torch.no_grad()
def validate(
    inputs: RewardInputs,
    objective: Objective[Any],
    examples: Sequence[Example],
    recipe: RewardModel,
) -> dict[str, float]:
    """``eval_loss``, and ``eval_accuracy`` where the objective has one, on held-out examples."""
    rows = objective.rows(examples)
    scored = _scored(inputs, objective, rows, recipe.micro_batch_tokens)
    return objective.held_out(examples, scored)


@torch.no_grad()
def score_rows(inputs: RewardInputs, rows: Sequence[Row], micro_batch_tokens: int) -> torch.Tensor:
    """Scores in the rows' order, [B]."""
    return scores_side_by_side(inputs.model, rows, micro_batch_tokens).cpu()


def _scored(
    inputs: RewardInputs,
    objective: Objective[Any],
    rows: Sequence[Row],
    micro_batch_tokens: int,
    dropout: float = 0.0,
    token_dropout: float = 0.0,
) -> Scored:
    """What the network says of each row; where it is one score, a shared prompt is read once."""
    shown = [hide_tokens(row, token_dropout, inputs.pad_id) for row in rows]
    if objective.read is scores:
        if torch.is_grad_enabled():
            table = scores_of_rows(inputs.model, shown, micro_batch_tokens, dropout)
        else:
            table = score_rows(inputs, shown, micro_batch_tokens)
        return Scored(table, {row: index for index, row in enumerate(rows)})
    groups = micro_batches([len(row) for row in rows], micro_batch_tokens)
    parts = [
        objective.read(
            inputs.model,
            collate([shown[i] for i in group], inputs.pad_id, inputs.model.device),
            dropout,
        )
        for group in groups
    ]
    # Tables of steps are as wide as their group; nobody reads what is added.
    width = max(part.shape[1] for part in parts)
    place = {rows[i]: at for at, i in enumerate(i for group in groups for i in group)}
    return Scored(torch.cat([F.pad(part, (0, width - part.shape[1])) for part in parts]), place)


def hide_tokens(row: Row, share: float, pad_id: int) -> Row:
    """The row with about this share of its response replaced by the pad token, not the last one.

    Length and positions stay. Drawn from torch's generator, which each step seeds.
    """
    if not share or not row.response_ids:
        return row
    *body, end = row.response_ids
    hidden = (torch.rand(len(body)) < share).tolist()
    kept = (pad_id if hide else token for token, hide in zip(body, hidden, strict=True))
    return Row(row.prompt_ids, (*kept, end))


def _note(values: Mapping[str, float]) -> str:
    """What the progress bar says."""
    accuracy = f" accuracy {values['accuracy']:.2f}" if "accuracy" in values else ""
    return f"loss {values['loss']:.3f}{accuracy}"


def _metrics(report: StepReport, epoch: float) -> dict[str, float]:
    return {
        "grad_norm": report.grad_norms["reward"],
        "learning_rate": report.learning_rates["reward"],
        "epoch": epoch,
    }
