"""Text with rewards in; a policy with value heads beside it out."""

from dataclasses import asdict
from statistics import fmean, pstdev

from preftune.algorithms.ilql import Episode, ILQLInputs, ilql
from preftune.models import (
    GUIDANCE,
    Renderer,
    build_value_heads,
    fit_rows,
    load_policy,
    load_tokenizer,
    renderer_for,
    save_model,
    save_value_heads,
)
from preftune.pipeline.cards import model_card
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.networks import base_for_saving, learner, loaded_on
from preftune.pipeline.stages.offline import records_of
from preftune.recipe import ILQL
from preftune.records import BadInput, Rewarded


def run(context: StageContext[ILQL]) -> StageOutcome:
    settings, source = context.settings, context.inputs["model"]
    policy = learner(context, load_policy(source, loaded_on(context)))
    tokenizer = load_tokenizer(source)
    train = _episodes(context, renderer_for(policy, tokenizer, source))
    inputs = ILQLInputs(
        policy=policy,
        heads=build_value_heads(policy, context.seed_for("heads")),
        pad_id=int(tokenizer.pad_token_id),
        train=train,
        seed=context.seed,
    )
    with context.journal(settings.checkpoint_every) as journal:
        result = ilql(settings, inputs, journal)
        setattr(policy.config, GUIDANCE, settings.value_guidance)
        card = model_card(context, "with values of its tokens (ILQL), trained")
        base = base_for_saving(context, "model")
        save_model(policy, tokenizer, context.model_folder, card, base)
        save_value_heads(inputs.heads, context.model_folder)
    return StageOutcome({"model": "model"}, asdict(result) | {"episodes": len(train)})


def _episodes(context: StageContext[ILQL], renderer: Renderer) -> list[Episode]:
    """The rows that fit, with rewards as the recipe wants them."""
    settings, path = context.settings, context.inputs["train"]
    rewarded = records_of(Rewarded, path, settings.skip_bad, settings.limit)
    longest = min(settings.max_length or renderer.context, renderer.context)
    rows = renderer.rows((one.prompt.text, one.completion) for one in rewarded)
    fitted, how = fit_rows(rows, longest, settings.too_long)
    rewards = [rewarded[place].reward for place in how.kept]
    mean, spread = fmean(rewards), pstdev(rewards)
    if spread == 0:
        raise BadInput(
            f"All {len(rewards)} rewards are {mean:g}, so no token can be worth more than another.",
            file=path,
            remedy="Give rows whose rewards differ.",
        )
    if not settings.normalise_rewards:
        mean, spread = 0.0, 1.0
    return [
        Episode(row, (reward - mean) / spread) for row, reward in zip(fitted, rewards, strict=True)
    ]
