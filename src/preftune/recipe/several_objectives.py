"""Several objectives in one reward: gates, constraints, a safety switch, weights in the prompt."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from preftune.recipe.sections import Section

Probability = Annotated[float, Field(ge=0, le=1)]


class RewardGate(Section):
    """What a part must be; a response that breaks it gets another score, whatever else it has."""

    least: float | None = None
    """The part may not be less."""
    most: float | None = None
    """The part may not be more."""
    score: float
    """The whole response's score where it is; the lowest of several gates'."""

    @model_validator(mode="after")
    def _some_bound(self) -> Self:
        if self.least is None and self.most is None:
            raise ValueError("a gate needs least, most or both")
        return self


class Constraint(Section):
    """A part's mean over responses is to be at most ``most``, by a Lagrange multiplier.

    The policy is trained on the sum less λ times the part, and after every iteration
    λ ← max(0, λ + rate · (mean − most)) (Dai et al. 2023, Safe RLHF).
    """

    most: float
    """The limit, in the part's own unit."""
    rate: float = Field(default=0.1, gt=0)
    """How far λ moves for each unit that the mean is off."""
    start: float = Field(default=0.0, ge=0)
    """λ at the start."""
    largest: float | None = Field(default=None, gt=0)
    """λ at most; without it a limit that cannot be kept lets it grow for ever."""


class SafetySwitch(Section):
    """Llama 2's reward: the safety model's where safety is in question, else helpfulness's.

    Safety is in question where the prompt is tagged or the response is probably unsafe. Then
    logits, whitened over an iteration's responses, before any KL (Touvron et al. 2023, §3.2.3).
    A reward model's score is read as log-odds; any other part must be a probability.
    """

    helpful: str = "reward_model"
    """The part that says how helpful a response is."""
    safe: str
    """The part that says how safe it is."""
    column: str = "safety"
    """Prompts with a true value here are always judged by safety."""
    threshold: Probability = 0.15
    """Below this probability of being safe a response is judged by safety."""
    clip: float = Field(default=1e-4, gt=0, lt=0.5)
    """Probabilities are held this far from 0 and 1."""


class WeightsInPrompt(Section):
    """A policy that reads in its prompt how much each part counts, and is trained on that sum.

    Every prompt is seen with every mix of ``steps`` equal shares over the parts.
    """

    parts: Annotated[tuple[str, ...], Field(min_length=2)]
    """The parts that are weighed against each other; the others keep their weight."""
    steps: int = Field(default=2, ge=1, le=20)
    """Shares of which a mix is made: 2 over two parts gives 1 : 0, .5 : .5 and 0 : 1."""
    words: str = "{weights}\n"
    """What comes before the prompt; ``{weights}`` becomes ``helpful=.5,harmless=.5``."""

    @model_validator(mode="after")
    def _says_the_weights(self) -> Self:
        if "{weights}" not in self.words:
            raise ValueError("words must say {weights}, or the policy cannot know them")
        if len(set(self.parts)) < len(self.parts):
            raise ValueError("parts names one part twice: name each once")
        return self
