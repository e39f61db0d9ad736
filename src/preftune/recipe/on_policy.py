"""What every on-policy algorithm shares: sampling, scores, the KL to the reference, the loop."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.compute import no_dropout
from preftune.recipe.engine import FromEngine
from preftune.recipe.guards import Guards
from preftune.recipe.rewards import SeveralObjectives
from preftune.recipe.sections import (
    Optimizer,
    SamplingSettings,
    ScheduledEvaluation,
    Section,
    Source,
    TooLong,
)


class FixedKL(Section):
    """A constant KL coefficient."""

    kind: Literal["fixed"] = "fixed"
    coefficient: float = Field(default=0.05, ge=0)
    """Reward lost for each nat of KL to the reference policy."""


class HorizonKL(Section):
    """Ziegler et al.'s code: β ← β (1 + clip(KL/target − 1, ±.2) · episodes/horizon)."""

    kind: Literal["adaptive_horizon"] = "adaptive_horizon"
    coefficient: float = Field(default=0.2, gt=0)
    """Coefficient at the start."""
    target: float = Field(default=6.0, gt=0)
    """KL to hold, in nats a response."""
    horizon: int = Field(default=10_000, ge=1)
    """Episodes over which the coefficient moves by its error."""


class GainKL(Section):
    """Ziegler et al.'s paper: β ← β (1 + gain · clip(KL/target − 1, ±.2)) once an iteration."""

    kind: Literal["adaptive_gain"] = "adaptive_gain"
    coefficient: float = Field(default=0.2, gt=0)
    """Coefficient at the start."""
    target: float = Field(default=6.0, gt=0)
    """KL to hold, in nats a response."""
    gain: float = Field(default=0.1, gt=0)
    """Share of the error corrected at each iteration."""


class ReplaceMissingEOS(Section):
    """A response that never ends gets this score instead of its own (Ziegler et al., N+)."""

    kind: Literal["replace"] = "replace"
    score: float = -1.0
    """The score it gets."""


class SubtractMissingEOS(Section):
    """A response that never ends loses this much score (TRL's ``missing_eos_penalty``)."""

    kind: Literal["subtract"] = "subtract"
    penalty: float = Field(default=1.0, ge=0)
    """What is taken off."""


class KeepMissingEOS(Section):
    """A response that never ends keeps its score."""

    kind: Literal["keep"] = "keep"


class ReferenceKLStop(Section):
    """What happens when the policy drifts too far from the reference, in nats a response."""

    limit: float = Field(gt=0)
    """Mean KL to the reference of one iteration."""
    action: Literal["warn", "end"] = "end"
    """``warn`` writes a line and goes on; ``end`` finishes the run with the policy as it is."""


KLControl = Annotated[FixedKL | HorizonKL | GainKL, Field(discriminator="kind")]
MissingEOS = Annotated[
    ReplaceMissingEOS | SubtractMissingEOS | KeepMissingEOS, Field(discriminator="kind")
]


class OnPolicy(FromEngine, SeveralObjectives):
    """Sample responses, score them, learn from them, again."""

    kind: str
    policy: Source
    """The model to optimise, usually the SFT model."""
    reference: Source | None = None
    """The frozen policy the KL is measured to; the starting policy if not said."""
    prompts: Source
    """Prompts to answer; any file with a ``prompt`` column."""
    iterations: int = Field(default=40, ge=1)
    """Rounds of sample → score → credit → update."""
    rollouts: int = Field(default=256, ge=1)
    """Responses sampled in an iteration."""
    samples: int = Field(default=1, ge=1)
    """Responses to each prompt; must divide ``rollouts``."""
    epochs: int = Field(default=2, ge=1)
    """Passes over an iteration's responses."""
    minibatches: int = Field(default=2, ge=1)
    """Optimizer steps in a pass; must divide ``rollouts``."""
    sampling: SamplingSettings = SamplingSettings()
    """How responses are drawn; the loss uses the same temperature."""
    kl: KLControl = FixedKL()
    """KL coefficient, fixed or adaptive."""
    missing_eos: MissingEOS = ReplaceMissingEOS()
    """What a response that never ends is worth."""
    clip_scores: float | None = Field(default=None, gt=0)
    """Scores are clipped to ± this before they become rewards."""
    epoch_kl_stop: float | None = Field(default=None, gt=0)
    """Ends an iteration's epochs once the KL to the rollout policy (k2, nats a token) passes it."""
    reference_kl_stop: ReferenceKLStop | None = None
    """Watches the KL to the reference."""
    max_prompt_length: int | None = Field(default=None, ge=1)
    """Longest prompt, in tokens; what the context leaves if not said."""
    too_long: TooLong = "truncate_prompt_left"
    """What happens to a longer prompt."""
    micro_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens that go through a network at once; changes memory, not the result."""
    old_logprobs: Literal["read", "engine"] = "read"
    """Whose log-probabilities the responses count as drawn with: the policy's, which reads all of
    them again, or the engine's, in iterations in which they are the policy's within 1e-4 for the
    first four responses."""
    optimizer: Optimizer = Optimizer(
        learning_rate=1e-4, epsilon=1e-5, schedule="linear", final_fraction=0.0
    )
    """Optimizer of the policy."""
    evaluation: ScheduledEvaluation | None = None
    """Win rate during training."""
    guards: Guards = Guards()
    """What watches the training, and may stop it."""
    checkpoint_every: int = Field(default=10, ge=1)
    """Iterations between checkpoints."""

    @model_validator(mode="after")
    def _adapters_without_dropout(self) -> Self:
        no_dropout(self.adapter, self.kind)
        return self

    @model_validator(mode="after")
    def _responses_divide(self) -> Self:
        for name, divisor in (("minibatches", self.minibatches), ("samples", self.samples)):
            if self.rollouts % divisor:
                raise ValueError(
                    f"{name} = {divisor} does not divide rollouts = {self.rollouts}: choose a "
                    "divisor, so that every optimizer step sees equally many responses"
                )
        return self

    @model_validator(mode="after")
    def _responses_are_random(self) -> Self:
        if self.sampling.temperature == 0:
            raise ValueError(
                "sampling.temperature = 0 contradicts learning from random responses: "
                "set it above 0"
            )
        if self.sampling.top_p < 1 or self.sampling.top_k > 0:
            raise ValueError(
                "sampling.top_p and sampling.top_k contradict a ratio between full "
                "distributions: leave them out and lower sampling.temperature instead"
            )
        if self.sampling.value_guidance:
            raise ValueError(
                "sampling.value_guidance contradicts learning from the policy's own responses: "
                "leave it out"
            )
        return self


class Critic(Section):
    """A value of every token, and the advantages it gives."""

    value: Literal["separate", "shared"] = "separate"
    """``separate``: a network of its own; ``shared``: a head on the policy's body, 0 at first."""
    value_model: Source | None = None
    """What a separate value network starts from; ``reward_model`` or else the first model among
    ``rewards`` if not said, and without any the policy with a fresh head."""
    kl_estimator: Literal["k1", "k2", "k3"] = "k1"
    """The KL a token pays for in its reward; only k1 has the optimum everyone means."""
    whiten_rewards: bool = False
    """Scale each iteration's rewards to variance 1, the mean kept."""
    whiten_advantages: bool = True
    """Bring each iteration's advantages to mean 0 and variance 1."""
    gamma: float = Field(default=1.0, gt=0, le=1)
    """Discount."""
    lam: float = Field(default=0.95, ge=0, le=1)
    """λ of generalised advantage estimation."""
    vf_coef: float = Field(default=0.1, gt=0)
    """Weight of the value loss."""
    critic_warmup: int = Field(default=2, ge=0)
    """First iterations in which only the value network learns."""
    value_optimizer: Optimizer = Optimizer(
        learning_rate=3e-4, epsilon=1e-5, schedule="linear", final_fraction=0.0
    )
    """Optimizer of the value network."""


class OnPolicyWithCritic(Critic, OnPolicy):
    """On-policy learning whose advantages come from a learned value."""

    @model_validator(mode="after")
    def _shared_values_start_from_nothing(self) -> Self:
        if self.value == "shared" and self.value_model is not None:
            raise ValueError(
                'value = "shared" is a head on the policy and starts from no value_model: leave '
                "one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _warmup_leaves_room(self) -> Self:
        if self.critic_warmup >= self.iterations:
            raise ValueError(
                f"critic_warmup = {self.critic_warmup} leaves none of the {self.iterations} "
                "iterations to the policy: lower it or raise iterations"
            )
        return self


class Clipped(OnPolicyWithCritic):
    """With PPO's two clips."""

    cliprange: float = Field(default=0.2, gt=0)
    """The probability ratio is clipped to 1 ± this."""
    cliprange_value: float = Field(default=0.2, gt=0)
    """The value may move this far from its rollout value before its loss is clipped."""
