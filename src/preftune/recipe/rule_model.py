"""A model of rules: P(a rule is kept | conversation, rule), as a reward, and weights for it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.sections import Section, Source

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Texts = dict[Name, Annotated[str, Field(min_length=1)]]


class RuleModelReward(Section):
    """What a model of rules says of a response, over several rules (Glaese et al. 2022, Sparrow;
    Mu et al. 2024, rule-based rewards)."""

    model: Source
    """A reward model with the objective ``rules``."""
    texts: Texts = Field(min_length=1)
    """The rules by name, in the words the model was trained on, or others."""
    how: Literal["mean", "mean_log", "sum_log"] = "mean_log"
    """``mean`` of P(kept); ``mean_log`` or ``sum_log`` of log P(kept)."""
    weights: Source | None = None
    """Instead: Σ weight · P(kept), weights from a ``rule_weights`` stage."""
    column: str = "response_type"
    """The column whose value says which of the fitted weights a prompt has."""


class RuleWeightsStage(Section):
    """Weights of rules fitted on ordered completions of one prompt (Mu et al. 2024, eq. 2).

    The hinge loss of R = R_model + Σ weight · P(kept), for each response type by itself.
    """

    kind: Literal["rule_weights"] = "rule_weights"
    rules: RuleModelReward
    """Who grades, and which rules."""
    rankings: Source
    """Ordered completions: comparisons or rankings."""
    reward_model: Source | None = None
    """The helpful-only reward model that the weights stand beside; none counts as 0."""
    margin: float = Field(default=1.0, gt=0)
    """How far apart a better and a worse completion should be."""
    weight_decay: float = Field(default=0.001, ge=0)
    """Half of this times the squared weights is added to the loss: grades that hardly differ would
    have weights without end."""
    test_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the prompts kept to measure the order on."""
    limit: int | None = Field(default=None, ge=2)
    """Use this many comparisons at most."""
    micro_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens read at one time."""

    @model_validator(mode="after")
    def _not_weighed_yet(self) -> Self:
        if self.rules.weights is not None:
            raise ValueError("rules.weights is what this stage fits: leave it out")
        return self


class RuleClause(Section):
    """A rule of the built-in world: its words, and what of the judge's axes breaks it."""

    text: str = Field(min_length=1)
    """The rule in words, as a model reads it."""
    axis: str
    """The axis that a simulated labeler looks at."""
    least: float | None = None
    """Less of it breaks the rule."""
    most: float | None = None
    """More of it breaks the rule."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.least is None) == (self.most is None):
            raise ValueError("a rule has least or most, one of the two")
        return self


class RuleLabelsStage(Section):
    """Candidates judged by simulated labelers, rule by rule: kept or broken, split by prompt."""

    kind: Literal["rule_labels"] = "rule_labels"
    candidates: Source
    """What a ``candidates`` stage wrote."""
    world: Literal["helpdesk", "digest"] = "helpdesk"
    """The world whose judge's axes the labelers look at."""
    rules: dict[Name, RuleClause] = Field(min_length=1)
    """The rules by name."""
    accuracy: float = Field(default=0.9, gt=0.5, le=1)
    """Share of the labels that are right."""
    per_prompt: int = Field(default=2, ge=1)
    """Completions judged of each prompt, each by every rule."""
    limit: int | None = Field(default=None, ge=1)
    """Use this many prompts at most."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the prompts kept for early stopping."""
    test_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Share of the prompts kept to measure on."""
