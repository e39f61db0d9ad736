"""A policy, rewards and prompts in; a policy fine-tuned on its own best responses out."""

from preftune.algorithms.rejection_sampling import RejectionInputs, rejection_sampling
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
from preftune.pipeline.rewards import open_rewards
from preftune.pipeline.rollout_samples import RecordedScore
from preftune.pipeline.stages.on_policy import ROLLOUTS, evaluation_of, prompts_that_fit
from preftune.recipe import RejectionSampling


def run(context: StageContext[RejectionSampling]) -> StageOutcome:
    settings = context.settings
    engine = open_engine(context, "policy", settings.sampling, loaded_on(context))
    engine.longest_prompt = settings.max_prompt_length
    tokenizer = engine.renderer.tokenizer
    policy = learner(context, engine.policy)
    rewards = open_rewards(context, engine.renderer, policy)
    score = RecordedScore(rewards, context.folder / ROLLOUTS)
    writer = rollout_engine(context, engine)
    inputs = RejectionInputs(
        policy=policy,
        pad_id=int(tokenizer.pad_token_id),
        prompts=prompts_that_fit(context, engine.renderer),
        seed=context.seed,
        sampling=sampling_of(settings.sampling, engine, context.seed),
        publish=publisher(writer),
    )
    with context.journal(settings.checkpoint_every) as journal:
        evaluate = evaluation_of(context, engine)
        result = rejection_sampling(settings, inputs, writer, score, journal, evaluate)
        close_engine(writer)
        card = model_card(context, "fine-tuned on its own best responses")
        base = base_for_saving(context, "policy")
        save_model(inputs.policy, tokenizer, context.model_folder, card, base)
    return StageOutcome({"model": "model"}, result._asdict())
