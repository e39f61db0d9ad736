"""Rejection sampling: sample K responses a prompt, keep the best, fine-tune on them, again.

Touvron et al. 2023 (Llama 2, §3.2.3), who mix in the best responses of all earlier rounds: without
them their third version had forgotten how to rhyme. Dong et al. 2023 (RAFT) learn from the last
round only. The fine-tuning is :mod:`preftune.algorithms.sft`'s, with its loss.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from transformers import PreTrainedModel

from preftune.algorithms.on_policy import Evaluate
from preftune.algorithms.sft import SFTInputs, imitate
from preftune.artifacts import derive_seed
from preftune.models import Row
from preftune.recipe import RejectionSampling
from preftune.records import (
    Axes,
    Completion,
    Generate,
    Prompt,
    RunFailed,
    Sampling,
    Score,
    StopReason,
)
from preftune.rewards import part_metrics
from preftune.training import Journal, Training, batch_indices, shuffled
from preftune.training.order import steps_per_epoch


@dataclass(frozen=True, slots=True)
class RejectionInputs:
    """The policy that samples and learns, and the prompts.

    ``publish`` hands the policy's weights to the engine under a version, before each round.
    """

    policy: PreTrainedModel
    pad_id: int
    prompts: Sequence[Prompt]
    seed: int
    sampling: Sampling
    publish: Callable[[str], None]


class RejectionResult(NamedTuple):
    """Rounds done, responses learned from in the last one, and their mean score.

    ``generated_tokens`` are all that were sampled, kept or not.
    """

    rounds: int
    kept: int
    kept_score: float
    generated_tokens: int


class Scored(NamedTuple):
    """A response as ids, its score, and whether it ended by itself."""

    row: Row
    score: float
    ended: bool


def rejection_sampling(
    recipe: RejectionSampling,
    inputs: RejectionInputs,
    generate: Generate,
    score: Score,
    journal: Journal,
    evaluate: Evaluate,
) -> RejectionResult:
    """Leaves the fine-tuned weights in ``inputs.policy``."""
    training = optimizer_of(recipe, inputs, 0, 1)
    done, state, _ = journal.resume(training)
    kept = [scored_from(row) for row in state.get("kept", [])]
    generated = int(state.get("generated_tokens", 0))
    inputs.policy.eval()
    if done == 0 and recipe.evaluation is not None:
        journal.record(0, evaluate(0))

    with journal.progress("rejection sampling", recipe.rounds) as bar:
        bar.resume(done)
        for number in range(done + 1, recipe.rounds + 1):
            inputs.publish(f"round-{number - 1}")
            completions = sample(recipe, inputs, generate, number)
            axes = present(score(completions), completions)
            responses = [scored_of(c, a["score"]) for c, a in zip(completions, axes, strict=True)]
            fresh = [
                best
                for start in range(0, len(responses), recipe.samples)
                for best in keep(recipe, responses[start : start + recipe.samples], number)
            ]
            kept = together(recipe, kept, fresh)
            training, learned = fine_tune(recipe, inputs, [best.row for best in kept], number)

            metrics = round_metrics(responses, kept) | part_metrics(axes) | learned
            generated += sum(len(one.row.response_ids) for one in responses)
            metrics["episode"] = number * len(responses)
            metrics["completions/generated_tokens"] = generated
            if recipe.evaluation is not None and (
                number % recipe.evaluation.every == 0 or number == recipe.rounds
            ):
                metrics |= evaluate(number)
            journal.record(number, metrics)
            note = f"score {metrics['objective/scores']:.2f} kept {metrics['selected/scores']:.2f}"
            bar.advance(1, note)
            state = {"kept": [saved(best) for best in kept], "generated_tokens": generated}
            journal.checkpoint(number, training, state)
    return RejectionResult(recipe.rounds, len(kept), _mean(kept), generated)


def sample(
    recipe: RejectionSampling, inputs: RejectionInputs, generate: Generate, number: int
) -> list[Completion]:
    """K responses side by side to each of the round's prompts: the next of an endless shuffle."""
    count = len(inputs.prompts)
    each = recipe.prompts_per_round or count
    orders: dict[int, list[int]] = {}
    chosen: list[Prompt] = []
    for place in range((number - 1) * each, number * each):
        epoch, index = divmod(place, count)
        order = orders.setdefault(epoch, shuffled(count, inputs.seed, epoch))
        chosen += [inputs.prompts[order[index]]] * recipe.samples
    seed = derive_seed(inputs.seed, "rollout", number)
    return generate(chosen, replace(inputs.sampling, seed=seed))


def keep(recipe: RejectionSampling, responses: Sequence[Scored], number: int) -> list[Scored]:
    """Of one prompt's responses the best (the first of equals), or all above the percentile."""
    known = [one for one in responses if one.ended or not recipe.drop_unfinished]
    if not known:
        return []
    if recipe.percentile is None:
        return [max(known, key=lambda one: one.score)]
    threshold = np.quantile([one.score for one in known], percentile_of(recipe, number))
    return [one for one in known if one.score >= threshold]


def percentile_of(recipe: RejectionSampling, number: int) -> float:
    """The threshold's percentile in a round (from 1), 0 to 1."""
    assert recipe.percentile is not None
    start, end = recipe.percentile.start, recipe.percentile.end
    return start + (end - start) * (number - 1) / max(recipe.rounds - 1, 1)


def together(
    recipe: RejectionSampling, earlier: Sequence[Scored], fresh: Sequence[Scored]
) -> list[Scored]:
    """What a round learns from. Raises :class:`RunFailed` when nothing is left."""
    found = [*earlier, *fresh] if recipe.accumulate else list(fresh)
    if recipe.dedupe:
        first: dict[Row, Scored] = {}
        for one in found:
            first.setdefault(one.row, one)
        found = list(first.values())
    if not found:
        raise RunFailed(
            "Every response was cut off, so there is none to learn from.",
            remedy="Raise sampling.max_new_tokens, or set drop_unfinished = false.",
        )
    return found


def fine_tune(
    recipe: RejectionSampling, inputs: RejectionInputs, rows: Sequence[Row], number: int
) -> tuple[Training, dict[str, float]]:
    """Epochs over the rows with a fresh optimizer; means over the round's optimizer steps."""
    total = steps_per_epoch(len(rows), recipe.batch_size) * recipe.epochs
    training = optimizer_of(recipe, inputs, number, total)
    learner = SFTInputs(inputs.policy, inputs.pad_id, rows, [], training.seed)
    losses, norms = [], []
    for at in range(total):
        chosen = batch_indices(len(rows), recipe.batch_size, at, training.seed)
        batch = [rows[i] for i in chosen]
        report = imitate(training, learner, batch, recipe.micro_batch_tokens, at)
        losses.append(report.loss)
        norms.append(report.grad_norms["policy"])
    return training, {"loss": float(np.mean(losses)), "grad_norm": float(np.mean(norms))}


def optimizer_of(
    recipe: RejectionSampling, inputs: RejectionInputs, number: int, total: int
) -> Training:
    seed = derive_seed(inputs.seed, "round", number)
    return Training({"policy": inputs.policy}, {"policy": recipe.optimizer}, total, seed)


def round_metrics(responses: Sequence[Scored], kept: Sequence[Scored]) -> dict[str, float]:
    return {
        "objective/scores": _mean(responses),
        "selected/scores": _mean(kept),
        "selected/count": float(len(kept)),
        "completions/mean_length": float(np.mean([len(r.row.response_ids) for r in responses])),
        "completions/eos_rate": float(np.mean([r.ended for r in responses])),
    }


def present(axes: Sequence[Axes | None], completions: Sequence[Completion]) -> list[Axes]:
    """Raises :class:`RunFailed` naming the row that has no score."""
    for value, completion in zip(axes, completions, strict=True):
        if value is None:
            raise RunFailed(f"A response to prompt {completion.prompt.id!r} has no score.")
    return [value for value in axes if value is not None]


def scored_of(completion: Completion, score: float) -> Scored:
    row = Row(completion.prompt_token_ids, completion.token_ids)
    return Scored(row, score, completion.stop_reason != StopReason.LENGTH)


def saved(one: Scored) -> list[Any]:
    """A response for a checkpoint's JSON."""
    return [one.row.prompt_ids, one.row.response_ids, one.score, one.ended]


def scored_from(given: Sequence[Any]) -> Scored:
    """The same back."""
    prompt_ids, response_ids, score, ended = given
    return Scored(Row(tuple(prompt_ids), tuple(response_ids)), float(score), bool(ended))


def _mean(responses: Sequence[Scored]) -> float:
    return float(np.mean([one.score for one in responses]))
