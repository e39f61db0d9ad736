"""Demonstrations in, a fine-tuned policy out."""

from dataclasses import asdict
from pathlib import Path

from preftune.algorithms.sft import SFTInputs, sft
from preftune.data import load_demonstrations
from preftune.models import (
    Fitted,
    Renderer,
    Row,
    fit_rows,
    load_policy,
    load_tokenizer,
    renderer_for,
    save_model,
)
from preftune.pipeline.cards import model_card
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.networks import base_for_saving, learner, loaded_on
from preftune.recipe import SFT
from preftune.records import Demonstration


def run(context: StageContext[SFT]) -> StageOutcome:
    settings, source = context.settings, context.inputs["model"]
    policy = learner(context, load_policy(source, loaded_on(context)))
    tokenizer = load_tokenizer(source)
    renderer = renderer_for(policy, tokenizer, source)
    train, fitted = _rows(context, renderer, context.inputs["train"])
    validation, _ = (
        _rows(context, renderer, context.inputs["validation"])
        if "validation" in context.inputs
        else ([], None)
    )
    inputs = SFTInputs(
        policy=policy,
        pad_id=int(tokenizer.pad_token_id),
        train=train,
        validation=validation,
        seed=context.seed,
    )
    with context.journal(settings.checkpoint_every) as journal:
        result = sft(settings, inputs, journal)
        card = model_card(context, "fine-tuned")
        base = base_for_saving(context, "model")
        save_model(policy, tokenizer, context.model_folder, card, base)
    summary = asdict(result) | {
        "demonstrations": len(train),
        "truncated_prompts": fitted.truncated_prompts,
        "truncated_completions": fitted.truncated_completions,
        "skipped": fitted.skipped,
    }
    return StageOutcome({"model": "model"}, summary)


def demonstration_rows(
    renderer: Renderer, demonstrations: list[Demonstration], longest: int, too_long: str
) -> tuple[list[Row], Fitted]:
    rows = renderer.rows((shown.prompt.text, shown.completion) for shown in demonstrations)
    return fit_rows(rows, longest, too_long)


def _rows(context: StageContext[SFT], renderer: Renderer, path: Path) -> tuple[list[Row], Fitted]:
    settings = context.settings
    longest = min(settings.max_length or renderer.context, renderer.context)
    demonstrations = load_demonstrations(path, skip_bad=settings.skip_bad)
    return demonstration_rows(renderer, demonstrations, longest, settings.too_long)
