"""A policy, a reward model and prompts in; an optimised policy out, and its value network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

from transformers import PreTrainedModel

from preftune.algorithms.a2c import a2c
from preftune.algorithms.critic import CriticInputs
from preftune.algorithms.dapo import dapo
from preftune.algorithms.dr_grpo import dr_grpo
from preftune.algorithms.grpo import grpo
from preftune.algorithms.gspo import gspo
from preftune.algorithms.nlpo import NLPOInputs, nlpo
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.online_dpo import online_dpo
from preftune.algorithms.ppo import PPOInputs, ppo
from preftune.algorithms.reinforce import reinforce
from preftune.algorithms.reinforce_plus_plus import reinforce_plus_plus
from preftune.algorithms.rloo import rloo
from preftune.algorithms.trpo import trpo
from preftune.data import load_prompts
from preftune.evaluation import compare_scores, on_axis
from preftune.models import (
    ActionMask,
    Renderer,
    Row,
    adapter_of,
    first_member,
    fit_prompts,
    fresh_head,
    load_policy,
    load_tokenizer,
    renderer_for,
    reward_model_from,
    save_model,
    value_head_on,
)
from preftune.monitoring.guards import events
from preftune.pipeline.cards import model_card
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.documents import document_rows, encoded, read_texts
from preftune.pipeline.engines import (
    close_engine,
    open_engine,
    open_judge,
    publisher,
    rollout_engine,
    sampling_of,
)
from preftune.pipeline.networks import (
    base_for_saving,
    learner,
    loaded_on,
    over_policy,
    reference_of,
)
from preftune.pipeline.profiles import KEY
from preftune.pipeline.rewards import open_rewards, prompted_weights
from preftune.pipeline.rollout_samples import RecordedScore
from preftune.pipeline.sources import GOLD
from preftune.recipe import NLPO, PPO, OnPolicy, OnPolicyWithCritic
from preftune.records import BadInput, Completion, Prompt, Score
from preftune.rewards import same_vocabulary
from preftune.rollouts import NativeEngine
from preftune.stats import distinct_n

ROLLOUTS = "rollouts.jsonl"
"""Some responses of every iteration, inside the stage's folder."""

STORIES: dict[str, Callable[..., Any]] = {
    "ppo": ppo,
    "a2c": a2c,
    "trpo": trpo,
    "nlpo": nlpo,
    "reinforce": reinforce,
    "rloo": rloo,
    "reinforce_plus_plus": reinforce_plus_plus,
    "grpo": grpo,
    "dr_grpo": dr_grpo,
    "dapo": dapo,
    "gspo": gspo,
    "online_dpo": online_dpo,
}
"""Every kind of stage that runs here, and its story."""

SAID = {
    "ppo": "optimised with PPO",
    "reinforce": "optimised with REINFORCE",
    "rloo": "optimised with RLOO",
    "reinforce_plus_plus": "optimised with REINFORCE++",
    "grpo": "optimised with GRPO",
    "dr_grpo": "optimised with Dr. GRPO",
    "dapo": "optimised with DAPO",
    "gspo": "optimised with GSPO",
    "online_dpo": "optimised with online DPO",
    "a2c": "optimised with A2C",
    "trpo": "optimised with TRPO",
    "nlpo": "optimised with NLPO",
}
"""What the model card says was done."""


def run(context: StageContext[OnPolicy]) -> StageOutcome:
    settings = context.settings
    engine = open_engine(context, "policy", settings.sampling, loaded_on(context))
    engine.longest_prompt = settings.max_prompt_length
    tokenizer = engine.renderer.tokenizer
    policy = learner(context, engine.policy)
    rewards = open_rewards(context, engine.renderer, policy)
    score = RecordedScore(rewards, context.folder / ROLLOUTS)
    writer = rollout_engine(context, engine)
    inputs = replace(_inputs(context, engine), publish=publisher(writer))
    story = STORIES[settings.kind]
    with context.journal(settings.checkpoint_every) as journal:
        evaluate = evaluation_of(context, replace(engine, mask=None))
        result = story(settings, inputs, writer, score, journal, evaluate)
        close_engine(writer)
        outputs = {"model": "model"}
        card = model_card(context, SAID[settings.kind])
        if settings.weights_in_prompt is not None:
            weighed = settings.weights_in_prompt.model_dump(mode="json")
            setattr(inputs.policy.config, KEY, weighed)
        base = base_for_saving(context, "policy")
        save_model(inputs.policy, tokenizer, context.model_folder, card, base)
        if isinstance(inputs, CriticInputs):
            outputs["value"] = "value"
            folder = context.folder / "value"
            folder.mkdir(exist_ok=True)
            save_model(inputs.value, tokenizer, folder, model_card(context, "that predicts reward"))
        told = events(settings.guards, journal.history, is_gold(settings))
    summary = {**result._asdict(), "guards": told}
    summary["halt"] = None if result.halt is None else result.halt.as_json()
    return StageOutcome(outputs, summary, "done" if result.halt is None else "halted")


def is_gold(settings: OnPolicy) -> bool:
    """Whether the win rates of the training come from a gold judge."""
    return settings.evaluation is not None and settings.evaluation.judge.startswith(GOLD)


def _inputs(context: StageContext[OnPolicy], engine: NativeEngine) -> OnPolicyInputs:
    """The networks the story works on; with a value where the recipe has one."""
    settings = context.settings
    inputs = OnPolicyInputs(
        policy=engine.policy,
        reference=reference_of(context, engine.policy, "policy"),
        pad_id=int(engine.renderer.tokenizer.pad_token_id),
        prompts=prompts_that_fit(context, engine.renderer),
        seed=context.seed,
        sampling=sampling_of(settings.sampling, engine, context.seed),
        publish=partial(setattr, engine, "version"),
    )
    if not isinstance(settings, OnPolicyWithCritic):
        return inputs
    given = {field.name: getattr(inputs, field.name) for field in fields(inputs)}
    if settings.value == "separate":
        given["value"] = _value_network(context, engine)
    else:
        given["value"] = value_head_on(engine.policy)
    if isinstance(settings, PPO):
        return PPOInputs(**given, pretraining=_pretraining(context, settings, engine.renderer))
    if isinstance(settings, NLPO):
        engine.mask = _mask(context, settings, engine, inputs.sampling.stop_token_ids)
        return NLPOInputs(**given, mask=engine.mask)
    return CriticInputs(**given)


def _mask(
    context: StageContext[OnPolicy], settings: NLPO, engine: NativeEngine, stops: tuple[int, ...]
) -> ActionMask:
    """A second copy of the policy; special and stop tokens are always allowed."""
    return ActionMask(
        network=learner(context, load_policy(context.inputs["policy"], loaded_on(context))),
        top_p=settings.top_p,
        min_tokens=settings.min_tokens,
        always=tuple(sorted({*engine.renderer.tokenizer.all_special_ids, *stops})),
    )


def _pretraining(
    context: StageContext[OnPolicy], settings: PPO, renderer: Renderer
) -> tuple[Row, ...]:
    """The texts PPO mixes in, a document a row."""
    if settings.ptx is None or not settings.ptx.coefficient:
        return ()
    texts = encoded(renderer.tokenizer, read_texts([context.inputs["ptx.data"]]))
    return tuple(document_rows(texts, renderer.context, int(renderer.tokenizer.eos_token_id)))


def _value_network(context: StageContext[OnPolicy], engine: NativeEngine) -> PreTrainedModel:
    """The reward model or what else the recipe starts it from; it reads the policy's tokens.

    Over the policy's own weights where both learn by adapters and it was trained over them too.
    """
    role, renderer = value_role(context.settings), engine.renderer
    if adapter_of(engine.policy) is not None:
        if role == "policy":
            value = value_head_on(engine.policy)
            fresh_head(value.score, context.seed_for("value head"))  # type: ignore[arg-type]
            return learner(context, value, "value")
        over = over_policy(context, role, engine.policy, "value", trained=True)
        if over is not None:
            return over
    source = first_member(context.inputs[role])
    value = reward_model_from(source, loaded_on(context), context.seed_for("value head"))
    if not same_vocabulary(renderer, renderer_for(value, load_tokenizer(source), source)):
        raise BadInput(
            "The value network reads the policy's tokens, and the two tokenizers differ.",
            file=source,
            remedy="Train the reward model from the policy's own model family, or set value_model "
            "to the policy.",
        )
    return learner(context, value, "value")


def value_role(settings: OnPolicy) -> str:
    """The input that the value network starts from."""
    if getattr(settings, "value_model", None) is not None:
        return "value_model"
    if settings.reward_model is not None:
        return "reward_model"
    models = [name for name, reward in settings.rewards.items() if reward.model is not None]
    return f"rewards.{models[0]}.model" if models else "policy"


def prompts_that_fit(context: StageContext[Any], renderer: Renderer) -> list[Prompt]:
    """The prompts that fit, by the recipe's policy for long ones."""
    settings = context.settings
    prompts = prompted_weights(load_prompts(context.inputs["prompts"]), settings)
    room = renderer.context - settings.sampling.max_new_tokens
    longest = min(settings.max_prompt_length or room, room)
    ids = [renderer.prompt_ids(prompt.text) for prompt in prompts]
    _, fitted = fit_prompts(ids, longest, settings.too_long)
    return [prompts[i] for i in fitted.kept]


def evaluation_of(
    context: StageContext[Any], engine: NativeEngine
) -> Callable[[int], Mapping[str, float]]:
    """Win rate of the policy as it is now against a fixed one, by the recipe's judge or judges."""
    scheduled = context.settings.evaluation
    if scheduled is None:
        return lambda iteration: {}
    judges = [_Judging("judge", *open_judge(context, "evaluation.judge"))]
    if scheduled.measured_by is not None:
        judges.append(_Judging("measured", *open_judge(context, "evaluation.measured_by")))
    prompts = load_prompts(context.inputs["evaluation.prompts"])[: scheduled.count]
    opponent = open_engine(context, "evaluation.against", context.settings.sampling)
    sampling = replace(
        sampling_of(context.settings.sampling, engine, context.seed_for("evaluation")),
        temperature=scheduled.temperature,
    )
    theirs: list[Completion] = []

    def evaluate(iteration: int) -> Mapping[str, float]:
        if not theirs:
            theirs.extend(opponent(prompts, replace(sampling, seed=context.seed_for("against"))))
        ours = engine(prompts, sampling)
        found = {"completions/distinct_2": distinct_n([c.text for c in ours], 2)}
        for judging in judges:
            found |= judging.compared(ours, theirs)
        return found

    return evaluate


@dataclass(slots=True)
class _Judging:
    """One judge of a scheduled evaluation, and what it said of the fixed policy's responses."""

    name: str
    judge: Score
    axis: str
    tie_width: float
    their_scores: list[float | None] = field(default_factory=list)

    def compared(
        self, ours: Sequence[Completion], theirs: Sequence[Completion]
    ) -> dict[str, float]:
        """The metrics ``NAME/win_rate`` with its interval and ``NAME/score``."""
        if not self.their_scores:
            self.their_scores = on_axis(self.judge(theirs), self.axis)
        scores = on_axis(self.judge(ours), self.axis)
        rate = compare_scores(ours, theirs, scores, self.their_scores, tie_width=self.tie_width)
        known = [score for score in scores if score is not None]
        return {
            f"{self.name}/win_rate": rate.win_rate.value,
            f"{self.name}/win_rate_low": rate.win_rate.low,
            f"{self.name}/win_rate_high": rate.win_rate.high,
            f"{self.name}/score": sum(known) / max(len(known), 1),
        }
