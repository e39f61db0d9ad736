"""A policy and demonstrations in, a policy that has played against itself out."""

from dataclasses import asdict

from preftune.algorithms.spin import SPINInputs, spin
from preftune.data import load_demonstrations
from preftune.models import save_model
from preftune.pipeline.cards import model_card
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.engines import (
    close_engine,
    open_engine,
    publisher,
    rollout_engine,
    sampling_of,
)
from preftune.pipeline.networks import base_for_saving, learner, loaded_on
from preftune.pipeline.stages.offline import evenly
from preftune.pipeline.stages.sft import demonstration_rows
from preftune.recipe import SPIN


def run(context: StageContext[SPIN]) -> StageOutcome:
    settings = context.settings
    engine = open_engine(context, "model", settings.sampling, loaded_on(context))
    renderer = engine.renderer
    shown = load_demonstrations(context.inputs["train"], skip_bad=settings.skip_bad)
    shown = evenly(shown, settings.limit)
    longest = min(settings.max_length or renderer.context, renderer.context)
    rows, fitted = demonstration_rows(renderer, shown, longest, settings.too_long)
    policy = learner(context, engine.policy)
    writer = rollout_engine(context, engine)
    inputs = SPINInputs(
        policy=policy,
        prompts=[shown[i].prompt for i in fitted.kept],
        demonstrations=rows,
        sampling=sampling_of(settings.sampling, engine, context.seed),
        publish=publisher(writer),
        seed=context.seed,
    )
    with context.journal(settings.checkpoint_every) as journal:
        result = spin(settings, inputs, writer, journal)
        close_engine(writer)
        card = model_card(context, "fine-tuned by self-play")
        base = base_for_saving(context, "model")
        save_model(engine.policy, renderer.tokenizer, context.model_folder, card, base)
    return StageOutcome({"model": "model"}, asdict(result) | {"demonstrations": len(rows)})
