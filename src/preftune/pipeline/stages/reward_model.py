"""Comparisons, rankings, ratings or steps in; a reward model out, or an ensemble of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.reward_model import (
    Example,
    RewardInputs,
    RewardResult,
    objective_of,
    reward_model,
    score_rows,
    validate,
)
from preftune.artifacts import write_json_atomic
from preftune.data import load_demonstrations, uncollected
from preftune.evaluation import calibration_summary
from preftune.maths.ensembles import centred
from preftune.maths.losses.reward_model import normalisation
from preftune.models import (
    Axes,
    Ensemble,
    Row,
    Steps,
    average_weights,
    load_reward_model,
    load_tokenizer,
    renderer_for,
    reward_model_from,
    save_model,
    separator_ids,
    set_axes,
    set_normalisation,
    set_steps,
    set_temperature,
    write_ensemble,
)
from preftune.pipeline.cards import model_card
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.networks import base_for_saving, learner, loaded_on
from preftune.pipeline.reward_linear import known_words, linear_beside
from preftune.pipeline.reward_rows import Rows, axes_for, read_records
from preftune.pipeline.rule_models import KEY
from preftune.pipeline.stages.sft import demonstration_rows
from preftune.recipe import Process, RewardModel, Rules
from preftune.records import BadInput
from preftune.rewards import aggregated
from preftune.training import Journal, load_weights, weights_of

COUNTED = {
    "plackett_luce": "rankings",
    "best_of_softmax": "rankings",
    "rating": "ratings",
    "axes": "ratings",
    "process": "answers",
    "rules": "labels",
}
"""What the summary calls the training examples of an objective; ``pairs`` where it is not here."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What every member is trained with; ``first`` is the model of the only one, or the first."""

    first: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    axes: Axes | None
    steps: Steps | None
    train: Sequence[Example]
    validation: Sequence[Example]
    demonstrations: Sequence[Row]

    def inputs(self, model: PreTrainedModel, seed: int) -> RewardInputs:
        return RewardInputs(
            model=model,
            pad_id=int(self.tokenizer.pad_token_id),
            train=self.train,
            validation=self.validation,
            demonstrations=self.demonstrations,
            seed=seed,
        )


def run(context: StageContext[RewardModel]) -> StageOutcome:
    settings = context.settings
    if settings.linear is not None and "validation" not in context.inputs:
        raise BadInput(
            "What the network adds to linear is fitted on validation rows, and there are none.",
            remedy="Name them with validation, or leave linear out.",
        )
    with uncollected():
        ready = _prepare(context)
    counted = {COUNTED.get(settings.objective.kind, "pairs"): len(ready.train)}
    if settings.members > 1 or settings.linear is not None:
        return StageOutcome({"model": "model"}, _members(context, ready) | counted)
    inputs = ready.inputs(ready.first, context.seed)
    with context.journal(settings.checkpoint_every) as journal:
        result = reward_model(settings, inputs, journal)
        found = _calibrate(settings, inputs)
        card = model_card(context, "that scores answers, trained")
        base = base_for_saving(context, "model")
        save_model(inputs.model, ready.tokenizer, context.model_folder, card, base)
    return StageOutcome({"model": "model"}, asdict(result) | counted | found)


def fresh_model(
    context: StageContext[Any], source: Path, seed: int, axes: Axes | None, steps: Steps | None
) -> PreTrainedModel:
    """A reward model to train, its head what the objective needs."""
    outputs = ("score",) if axes is None else axes.names
    model = learner(context, reward_model_from(source, loaded_on(context), seed, outputs))
    if axes is not None:
        set_axes(model.config, axes)
    if steps is not None:
        set_steps(model.config, steps)
    return model


def _prepare(context: StageContext[RewardModel]) -> Prepared:
    settings, source = context.settings, context.inputs["model"]
    records = {
        role: read_records(context.inputs[role], settings, train=role == "train")
        for role in ("train", "validation")
        if role in context.inputs
    }
    tokenizer = load_tokenizer(source)
    axes = axes_for(settings, records["train"], context.inputs["train"])
    steps = _steps(settings, tokenizer)
    model = fresh_model(context, source, _head_seed(context, 0), axes, steps)
    if isinstance(settings.objective, Rules):
        setattr(model.config, KEY, settings.objective.words)
    renderer = renderer_for(model, tokenizer, source)
    rows = Rows(renderer, settings, axes, steps, context.device)
    examples = {role: rows.of(found, context.inputs[role]) for role, found in records.items()}
    shown: list[Row] = []
    if settings.normalise_on:
        demonstrations = load_demonstrations(context.inputs["normalise_on"])
        longest = renderer.context
        shown, _ = demonstration_rows(renderer, demonstrations, longest, "truncate_prompt_left")
    return Prepared(
        model, tokenizer, axes, steps, examples["train"], examples.get("validation", []), shown
    )


def _steps(settings: RewardModel, tokenizer: PreTrainedTokenizerBase) -> Steps | None:
    objective = settings.objective
    if not isinstance(objective, Process):
        return None
    ids = separator_ids(tokenizer, objective.separator)
    return Steps(ids, int(tokenizer.eos_token_id), objective.aggregate)


def _head_seed(context: StageContext[RewardModel], member: int) -> int:
    """Another head for each member; the same one where their weights will be averaged."""
    if context.settings.average_weights or member == 0:
        return context.seed_for("head")
    return context.seed_for("head", member)


def _calibrate(settings: RewardModel, inputs: RewardInputs) -> dict[str, Any]:
    """Fits and stores the temperature on the validation pairs; nothing where there are none."""
    pairs = [example for example in inputs.validation if isinstance(example, Pair)]
    if not pairs:
        return {}
    found = _told(settings, pairs, _gaps(settings, inputs, pairs))
    set_temperature(inputs.model.config, found["temperature"])
    return found


def _told(settings: RewardModel, pairs: Sequence[Pair], gaps: Sequence[float]) -> dict[str, Any]:
    observed = [pair.observed for pair in pairs]
    units = [pair.prompt for pair in pairs]
    below = settings.not_sure_below
    return dict(calibration_summary(gaps, observed, units, not_sure_below=below))


def _gaps(settings: RewardModel, inputs: RewardInputs, pairs: Sequence[Pair]) -> list[float]:
    rows = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    read = score_rows(inputs, rows, settings.micro_batch_tokens)
    gaps: list[float] = (read[: len(pairs)] - read[len(pairs) :]).tolist()
    return gaps


# several members


def _members(context: StageContext[RewardModel], ready: Prepared) -> dict[str, Any]:
    """Trains every member that is not done; then an ensemble of them, or their mean."""
    settings = context.settings
    (context.folder / "metrics.jsonl").unlink(missing_ok=True)
    results = []
    with (
        context.journal(1) as journal,
        context.console.progress("members", settings.members) as bar,
    ):
        for member in range(settings.members):
            results.append(_member(context, ready, member))
            known = {
                name: results[-1][f"best_{name}"]
                for name in ("eval_accuracy", "eval_loss")
                if results[-1][f"best_{name}"] is not None
            }
            journal.record(member + 1, known)
            bar.advance(1)
    told = {"members": results}
    folders = [_place(context, member) for member in range(settings.members)]
    models = [load_reward_model(folder, context.device) for folder in folders]
    if settings.average_weights:
        return told | _averaged(context, ready, models)
    return told | _together(context, ready, models)


def _place(context: StageContext[RewardModel], member: int) -> Path:
    """Where a member's model lies: in the ensemble, or beside the average."""
    if context.settings.average_weights:
        return context.folder / "members" / f"member-{member}" / "model"
    return context.model_folder / f"member-{member}"


def _member(context: StageContext[RewardModel], ready: Prepared, member: int) -> dict[str, Any]:
    """One member with its own seed, its model saved; what an interrupted run finished is kept."""
    settings = context.settings.of_member(member)
    work = context.folder / "members" / f"member-{member}"
    done = work / "result.json"
    if done.exists():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    source, seed = context.inputs["model"], context.seed_for("member", member)
    head = _head_seed(context, member)
    model = fresh_model(context, source, head, ready.axes, ready.steps)
    inputs = ready.inputs(model, seed)
    if settings.bootstrap:
        drawn = resampled(ready.train, context.seed_for("bootstrap", member))
        inputs = replace(inputs, train=drawn)
    with Journal(work, context.console, settings.checkpoint_every) as journal:
        result: RewardResult = reward_model(settings, inputs, journal)
        _calibrate(settings, inputs)
        place = _place(context, member)
        place.mkdir(parents=True, exist_ok=True)
        card = model_card(context, f"that scores answers, member {member} of several, trained")
        save_model(model, ready.tokenizer, place, card, base_for_saving(context, "model"))
        found = {
            "member": member,
            "learning_rate": settings.optimizer.learning_rate,
            "dropout": settings.dropout,
            **asdict(result),
        }
        write_json_atomic(done, found)
        journal.finish()
    return found


def resampled(examples: Sequence[Example], seed: int) -> list[Example]:
    """A bootstrap resample of whole prompts, as many prompts as there are."""
    prompts: dict[str, list[Example]] = {}
    for example in examples:
        prompts.setdefault(example.prompt, []).append(example)
    groups = list(prompts.values())
    drawn = np.random.default_rng(seed).integers(len(groups), size=len(groups))
    return [example for place in drawn.tolist() for example in groups[place]]


def _reference(ready: Prepared) -> tuple[str, list[Row]]:
    """The answers members are centred on: demonstrations, or those of validation or training."""
    if ready.demonstrations:
        return "normalise_on", list(ready.demonstrations)
    name, examples = (
        ("validation", ready.validation) if ready.validation else ("train", ready.train)
    )
    rows: dict[Row, None] = {}
    for example in examples:
        rows.update(dict.fromkeys(_answers(example)))
    return name, list(rows)


def _answers(example: Example) -> tuple[Row, ...]:
    if isinstance(example, Pair):
        return example.chosen, example.rejected
    return getattr(example, "rows", None) or (getattr(example, "row"),)  # noqa: B009


def _together(
    context: StageContext[RewardModel], ready: Prepared, models: Sequence[PreTrainedModel]
) -> dict[str, Any]:
    """Offsets, the aggregated score's accuracy and temperature, and ``ensemble.json``."""
    settings = context.settings
    members = [ready.inputs(model, context.seed) for model in models]
    name, reference = _reference(ready)
    offsets = [
        float(score_rows(member, reference, settings.micro_batch_tokens).double().mean())
        for member in members
    ]
    found: dict[str, Any] = {"offsets": offsets, "centred_on": name}
    temperature, share = 1.0, None
    pairs = [example for example in ready.validation if isinstance(example, Pair)]
    if pairs:
        rows = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
        read = torch.stack([score_rows(m, rows, settings.micro_batch_tokens) for m in members])
        scores_MB = centred(
            scores_MB=read.double(), offsets_M=torch.tensor(offsets, dtype=torch.float64)
        )
        one = aggregated(scores_MB, settings.aggregation)
        gaps = (one[: len(pairs)] - one[len(pairs) :]).tolist()
        if settings.linear is not None:
            known = known_words(context.inputs, settings.linear, "linear")
            beside = linear_beside(ready.train, pairs, gaps, known, context.model_folder)
            share, gaps = beside.share, beside.gaps
            found |= beside.told
        found |= _told(settings, pairs, gaps)
        found["best_eval_accuracy"] = float(np.mean((np.sign(gaps) + 1) / 2))
        temperature = found["temperature"]
    write_ensemble(
        context.model_folder,
        Ensemble(
            members=tuple(f"member-{member}" for member in range(settings.members)),
            offsets=tuple(offsets),
            aggregation=settings.aggregation,
            centred_on=name,
            temperature=temperature,
            linear=share,
        ),
    )
    card = model_card(context, f"ensemble of {settings.members} members that scores answers")
    (context.model_folder / "README.md").write_text(card, encoding="utf-8")
    return found


def _averaged(
    context: StageContext[RewardModel], ready: Prepared, models: Sequence[PreTrainedModel]
) -> dict[str, Any]:
    """One ordinary reward model with the members' mean weights, normalised and measured anew."""
    settings, inputs = context.settings, ready.inputs(ready.first, context.seed)
    load_weights(inputs.model, average_weights([weights_of(model) for model in models]))
    objective = objective_of(settings, inputs.model)
    found: dict[str, Any] = {}
    if ready.validation:
        held_out = validate(inputs, objective, ready.validation, settings)
        found = {f"best_{name}": value for name, value in held_out.items()}
    if ready.demonstrations:
        raw = score_rows(inputs, ready.demonstrations, settings.micro_batch_tokens)
        set_normalisation(inputs.model, *normalisation(raw_scores_B=raw))
    found |= _calibrate(settings, inputs)
    card = model_card(context, f"with the mean weights of {settings.members} members")
    save_model(inputs.model, ready.tokenizer, context.model_folder, card)
    return found
