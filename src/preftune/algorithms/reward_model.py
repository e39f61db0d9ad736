"""The reward model: a score whose differences predict which of two answers people prefer.

Bradley–Terry on pairs (Christiano et al. 2017; Stiennon et al. 2020). One epoch is usual; the
step with the best validation accuracy is kept. Afterwards the score is normalised on
demonstrations, so that a demonstration's score has mean 0 and standard deviation 1.

A step takes single comparisons, or whole prompts with all of theirs (Ouyang et al. 2022, §3.5:
all comparisons of a prompt are one batch element). Either way an answer that stands in several
comparisons of a micro-batch goes through the network once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.maths.losses.reward_model import bradley_terry_loss, centering_loss, normalisation
from preftune.models import Row, micro_batches, scores_of_rows, set_normalisation
from preftune.recipe import RewardModel
from preftune.training import Best, Journal, Loss, StepReport, Training, batch_indices
from preftune.training.order import steps_per_epoch


@dataclass(frozen=True, slots=True)
class Pair:
    """A comparison as rows of ids; ``probability`` is the target for ``chosen``.

    ``prompt`` names what it was answered to; only batches of whole prompts look at it.
    """

    chosen: Row
    rejected: Row
    probability: float = 1.0
    margin: float = 0.0
    weight: float = 1.0
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class RewardInputs:
    """The model that learns, the pairs, held-out pairs, and demonstrations to normalise on."""

    model: PreTrainedModel
    pad_id: int
    train: Sequence[Pair]
    validation: Sequence[Pair]
    demonstrations: Sequence[Row]
    seed: int


@dataclass(frozen=True, slots=True)
class RewardResult:
    """Optimizer steps done, the step kept and its validation accuracy."""

    steps: int
    kept_step: int
    best_eval_accuracy: float | None


def reward_model(recipe: RewardModel, inputs: RewardInputs, journal: Journal) -> RewardResult:
    """Leaves the best weights, normalised, in ``inputs.model``."""
    elements = batch_elements(inputs.train, recipe.batching)
    per_epoch = steps_per_epoch(len(elements), recipe.batch_size)
    total = per_epoch * recipe.epochs
    training = Training({"reward": inputs.model}, {"reward": recipe.optimizer}, total, inputs.seed)
    done, state, kept = journal.resume(training)
    best = Best.resumed(recipe.patience, state.get("best", {}), kept)
    finished = False

    with journal.progress("reward model", total) as bar:
        bar.advance(done)
        for at in range(done, total):
            step = at + 1
            drawn = batch_indices(len(elements), recipe.batch_size, at, inputs.seed)
            report = compare(training, inputs, [elements[i] for i in drawn], recipe, at)
            values = _metrics(report, step / per_epoch)
            if inputs.validation and (step % recipe.evaluate_every == 0 or step == total):
                values |= validate(inputs, inputs.validation, recipe.micro_batch_tokens)
                # Accuracy moves in whole pairs; the loss breaks its ties.
                quality = values["eval_accuracy"] - 1e-3 * values["eval_loss"]
                finished = best.offer(quality, step, inputs.model)
            journal.record(step, values)
            bar.advance(1, f"loss {values['loss']:.3f} accuracy {values['accuracy']:.2f}")
            if finished:
                break
            journal.checkpoint(step, training, {"best": best.state()}, best.weights)
    best.restore(inputs.model)
    accuracy = None
    if inputs.validation:
        held_out = validate(inputs, inputs.validation, recipe.micro_batch_tokens)
        accuracy = held_out["eval_accuracy"]
    if inputs.demonstrations:
        raw = score_rows(inputs, inputs.demonstrations, recipe.micro_batch_tokens)
        set_normalisation(inputs.model, *normalisation(raw_scores_B=raw))
    return RewardResult(step if total > done else done, best.step or total, accuracy)


def batch_elements(pairs: Sequence[Pair], batching: str) -> list[list[Pair]]:
    """What is shuffled and drawn: each pair alone, or the pairs of each prompt together."""
    if batching == "pairs":
        return [[pair] for pair in pairs]
    prompts: dict[str, list[Pair]] = {}
    for pair in pairs:
        prompts.setdefault(pair.prompt, []).append(pair)
    return list(prompts.values())


def compare(
    training: Training,
    inputs: RewardInputs,
    elements: Sequence[Sequence[Pair]],
    recipe: RewardModel,
    at: int,
) -> StepReport:
    """One optimizer step on these pairs: the weighted mean of their losses."""
    pairs = [pair for element in elements for pair in element]
    weight = sum(pair.weight for pair in pairs)

    def objective(indices: list[int]) -> Loss:
        group = [pair for i in indices for pair in elements[i]]
        chosen, rejected = _scores_of(inputs, group, recipe)
        weights = chosen.new_tensor([pair.weight for pair in group])
        loss = bradley_terry_loss(
            chosen_scores_B=chosen,
            rejected_scores_B=rejected,
            probabilities_B=chosen.new_tensor([pair.probability for pair in group]),
            margins_B=chosen.new_tensor([pair.margin for pair in group]),
            weights_B=weights,
            denominator=weight,
        )
        if recipe.center:
            loss = loss + recipe.center * centering_loss(
                chosen_scores_B=chosen,
                rejected_scores_B=rejected,
                weights_B=weights,
                denominator=weight,
            )
        difference, both = chosen - rejected, torch.cat([chosen, rejected])
        return Loss(
            loss,
            {
                "correct": _agreement(difference).sum(),
                "margin": difference.sum(),
                "score": both.sum(),
                "high_max": both.max(),
                "low_max": -both.min(),
            },
        )

    inputs.model.train()
    groups = micro_batches([_padded(element) for element in elements], recipe.micro_batch_tokens)
    report = training.step(groups, objective, at=at)
    inputs.model.eval()
    sums = {name: report.sums[name] / len(pairs) for name in ("correct", "margin", "score")}
    extremes = {name: report.sums[name] for name in ("high_max", "low_max")}
    return report._replace(sums=sums | extremes)


@torch.no_grad()
def validate(
    inputs: RewardInputs, pairs: Sequence[Pair], micro_batch_tokens: int
) -> dict[str, float]:
    """Accuracy against the majority (ties half) and mean loss on held-out pairs."""
    rows = distinct_rows(pairs)
    place = {row: index for index, row in enumerate(rows)}
    scored = score_rows(inputs, rows, micro_batch_tokens)
    chosen = scored[[place[pair.chosen] for pair in pairs]]
    rejected = scored[[place[pair.rejected] for pair in pairs]]
    loss = bradley_terry_loss(
        chosen_scores_B=chosen,
        rejected_scores_B=rejected,
        probabilities_B=chosen.new_tensor([pair.probability for pair in pairs]),
        margins_B=torch.zeros_like(chosen),
        weights_B=torch.ones_like(chosen),
        denominator=len(pairs),
    )
    return {
        "eval_accuracy": float(_agreement(chosen - rejected).mean()),
        "eval_loss": float(loss),
    }


@torch.no_grad()
def score_rows(inputs: RewardInputs, rows: Sequence[Row], micro_batch_tokens: int) -> torch.Tensor:
    """Scores in the rows' order, [B]."""
    return scores_of_rows(inputs.model, rows, inputs.pad_id, micro_batch_tokens).cpu()


def distinct_rows(pairs: Sequence[Pair]) -> list[Row]:
    """Every answer once: the chosen ones, then the rejected ones that were not among them."""
    return list(dict.fromkeys([p.chosen for p in pairs] + [p.rejected for p in pairs]))


def _scores_of(
    inputs: RewardInputs, pairs: Sequence[Pair], recipe: RewardModel
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of both sides with gradient; every answer and every prompt is read once."""
    rows = distinct_rows(pairs)
    limit = recipe.micro_batch_tokens
    scored = scores_of_rows(inputs.model, rows, inputs.pad_id, limit, recipe.dropout)
    place = {row: index for index, row in enumerate(rows)}
    chosen, rejected = [place[p.chosen] for p in pairs], [place[p.rejected] for p in pairs]
    return scored[chosen], scored[rejected]


def _padded(element: Sequence[Pair]) -> int:
    """Tokens of a batch element when its rows are padded to the longest."""
    rows = distinct_rows(element)
    return len(rows) * max(len(row) for row in rows)


def _agreement(difference: torch.Tensor) -> torch.Tensor:
    """1 where chosen scores higher, .5 for a tie, 0 else."""
    return 0.5 * (difference.sign() + 1.0)


def _metrics(report: StepReport, epoch: float) -> dict[str, float]:
    return {
        "loss": report.loss,
        "accuracy": report.sums["correct"],
        "margin": report.sums["margin"],
        "mean_reward": report.sums["score"] / 2,
        "max_reward": report.sums["high_max"],
        "min_reward": -report.sums["low_max"],
        "grad_norm": report.grad_norms["reward"],
        "learning_rate": report.learning_rates["reward"],
        "epoch": epoch,
    }
