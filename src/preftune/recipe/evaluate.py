"""Measuring what came out: what can be set."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.reward_model import ON_COMPARISONS, RewardModel
from preftune.recipe.rule_model import RuleModelReward
from preftune.recipe.rules import Rule
from preftune.recipe.sections import SamplingSettings, Section, Source


class Evaluate(Section):
    """Policies on held-out prompts, and the reward model on held-out comparisons."""

    kind: Literal["evaluate"] = "evaluate"
    policies: dict[str, Source] = Field(min_length=1)
    """Named policies (base, sft, ppo); samples are shown in this order."""
    profiles: dict[str, dict[str, float]] = {}
    """By a policy's name: the weights it reads in its prompts, where it was trained to."""
    prompts: Source
    """Held-out prompts."""
    limit: int | None = Field(default=None, ge=1)
    """Use this many prompts at most."""
    judge: Source | None = None
    """``gold:WORLD`` or the source of a held-out reward model; none measures style only."""
    win_rates: tuple[tuple[str, str], ...] = ()
    """Pairs of names: the first policy's win rate against the second."""
    reward_model: Source | None = None
    """The proxy: scores every sample and picks the best of n."""
    comparisons: Source | None = None
    """Held-out comparisons for the reward model's accuracy."""
    comparisons_train: Source | None = None
    """What the reward model was trained on, for the TF-IDF baseline."""
    best_of: int = Field(default=0, ge=0)
    """Best of this many samples of ``best_of_policy`` by the reward model; 0 leaves it out."""
    best_of_policy: str = "sft"
    """Whose samples."""
    best_of_prompts: int = Field(default=150, ge=1)
    """Prompts for best-of-n (it samples n times as much)."""
    rules: RuleModelReward | None = None
    """A model of rules: the best of n also in Sparrow's order, reward and rules together."""
    checked: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Rule] = {}
    """Rules by name; the mean of each over every policy's answers."""
    majority_of: int = Field(default=0, ge=0)
    """Answers a prompt whose most frequent number counts, by the first numeric rule of
    ``checked``; 0 leaves it out."""
    documents: Source | None = None
    """Held-out text that the base model would have been trained on, for the alignment tax."""
    documents_limit: int = Field(default=400, ge=1)
    """Use this many documents at most."""
    reference: str = "sft"
    """The policy KL is measured to."""
    sampling: SamplingSettings = SamplingSettings()
    """How responses are drawn."""
    references: str | None = None
    """Column of the prompts with a reference answer, for ROUGE and BLEU (``preftune[metrics]``)."""
    variety: tuple[Literal["self_bleu", "embedding_spread"], ...] = ()
    """Further measures of how varied each policy's answers are; ``self_bleu`` needs
    ``preftune[metrics]``, ``embedding_spread`` reads by the ``reference`` policy."""

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        missing = sorted({name for pair in self.win_rates for name in pair} - set(self.policies))
        if missing:
            raise ValueError(
                f"win_rates name {missing[0]!r}, which is no policy: add it to policies"
            )
        strange = sorted(set(self.profiles) - set(self.policies))
        if strange:
            raise ValueError(f"profiles.{strange[0]} is of no policy: add it to policies")
        if self.best_of and self.best_of_policy not in self.policies:
            raise ValueError(f"best_of_policy = {self.best_of_policy!r} is no policy: name another")
        if self.win_rates and self.judge is None:
            raise ValueError("win_rates need a judge: name one, gold:helpdesk for instance")
        numeric = any(rule.kind == "numeric" for rule in self.checked.values())
        if self.majority_of and (not numeric or self.majority_of == 1):
            raise ValueError("majority_of needs two answers at least and a numeric rule in checked")
        if self.rules is not None and not self.best_of:
            raise ValueError("rules order the best of n: set best_of")
        if self.best_of and self.reward_model is None:
            raise ValueError("best_of picks by the reward model: name reward_model")
        if "embedding_spread" in self.variety and self.reference not in self.policies:
            raise ValueError(
                f"embedding_spread reads by the reference policy, and {self.reference!r} is none: "
                "set reference to one of policies"
            )
        return self


class Audit(Section):
    """What a reward model likes too much, on labelled pairs, before anything is trained on it."""

    kind: Literal["audit"] = "audit"
    reward_model: Source
    """The model to audit."""
    comparisons: Source
    """Labelled pairs it was not trained on."""
    limit: int | None = Field(default=None, ge=40)
    """Use this many pairs at most, the first ones."""
    phrases: dict[
        Literal["padding", "flattery", "politeness", "hedging", "confidence", "neutral", "belief"],
        tuple[str, ...],
    ] = {}
    """What the probes say, in the texts' own style; English phrases of ours where left out."""


class CrossValidate(Section):
    """Leave one group out: a reward model and the baselines, trained on the other groups."""

    kind: Literal["cross_validate"] = "cross_validate"
    data: Source
    """Comparisons."""
    by: str
    """The column whose values are left out in turn."""
    validation_groups: int = Field(default=1, ge=1)
    """Groups of the rest kept for early stopping."""
    members: int = Field(default=1, ge=1)
    """Reward models in each fold's ensemble; their mean score counts."""
    reward_model: RewardModel
    """How each is trained; its ``train`` and ``validation`` are replaced fold by fold."""

    @model_validator(mode="after")
    def _one_model_on_comparisons(self) -> Self:
        kind = self.reward_model.objective.kind
        if kind not in ON_COMPARISONS:
            raise ValueError(
                f"reward_model.objective.kind = {kind!r} learns from no comparisons, and folds are "
                "measured on them: use bradley_terry or k_wise"
            )
        if self.reward_model.members > 1:
            raise ValueError("reward_model.members belongs one level up: set members instead")
        return self
