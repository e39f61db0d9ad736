"""Where text, candidates and labels come from: what can be set."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.rule_model import RuleModelReward
from preftune.recipe.sections import SamplingSettings, Section, Source, leaves_training

Share = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(ge=0)]


class World(Section):
    """Files of a built-in world: pretraining text, demonstrations and prompts."""

    kind: Literal["world"] = "world"
    world: Literal["helpdesk", "digest"] = "helpdesk"
    """Which world."""
    documents: int = Field(default=20_000, ge=1)
    """Untamed texts to pretrain on."""
    demonstrations: int = Field(default=400, ge=1)
    """Demonstrations to fine-tune on; a tenth as many again are held out for validation."""
    train_prompts: int = Field(default=4_000, ge=1)
    """Prompts to sample candidates and rollouts for."""
    validation_prompts: int = Field(default=300, ge=1)
    """Prompts to watch training with."""
    test_prompts: int = Field(default=600, ge=1)
    """Prompts for the final measurements, seen by nothing before."""


class Dataset(Section):
    """A file of the user's, checked and split so that no group is on two sides."""

    kind: Literal["dataset"] = "dataset"
    source: Source
    """The file."""
    by: str = "prompt"
    """Rows with the same value of this column stay together; ``prompt`` is the prompt's text."""
    fractions: dict[Literal["train", "validation", "test"], Share] = {
        "train": 0.8,
        "validation": 0.1,
        "test": 0.1,
    }
    """Shares of the rows; they add up to 1. A side left out is empty."""
    limit: int | None = Field(default=None, ge=1)
    """Use this many rows at most, drawn at random."""
    skip_bad: int = Field(default=0, ge=0)
    """This many malformed rows may be skipped."""

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        total = sum(self.fractions.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"fractions add up to {total:g}: make them add up to 1")
        return self


class CandidatePolicy(Section):
    """A policy and the temperatures to sample it at."""

    model: Source
    """The policy."""
    temperatures: tuple[Temperature, ...] = Field(default=(1.0,), min_length=1)
    """Sampling temperatures, taken in turn."""
    samples: int = Field(default=2, ge=1)
    """Completions for each prompt, spread over the temperatures."""
    best_of: int = Field(default=1, ge=1)
    """Each completion is the best of this many by the stage's ``reward_model``."""


class Candidates(Section):
    """Several completions for each prompt, with where each came from."""

    kind: Literal["candidates"] = "candidates"
    policies: dict[str, CandidatePolicy] = Field(min_length=1)
    """Named policies."""
    prompts: Source
    """Prompts to answer."""
    reward_model: Source | None = None
    """What picks where a policy has ``best_of``."""
    rules: RuleModelReward | None = None
    """A model of rules beside it: Sparrow's order of the ``best_of`` responses."""
    limit: int | None = Field(default=None, ge=1)
    """Use this many prompts at most."""
    sampling: SamplingSettings = SamplingSettings()
    """Lengths and filters; each policy's temperatures replace the one given here."""

    @model_validator(mode="after")
    def _two_at_least(self) -> Self:
        if sum(policy.samples for policy in self.policies.values()) < 2:
            raise ValueError("candidates needs two samples a prompt to compare: raise samples")
        return self

    @model_validator(mode="after")
    def _best_of_has_a_picker(self) -> Self:
        picking = [name for name, policy in self.policies.items() if policy.best_of > 1]
        if picking and self.reward_model is None:
            raise ValueError(
                f"policies.{picking[0]}.best_of picks by a reward model: name reward_model"
            )
        if self.reward_model is not None and self.reward_model.startswith("gold:"):
            raise ValueError(
                "reward_model is a gold judge, which measures and never picks what is learned "
                "from: name a reward model"
            )
        if self.rules is not None and not picking:
            raise ValueError("rules pick nothing: give a policy best_of = 2 or more")
        if self.reward_model is not None and not picking:
            raise ValueError("reward_model picks nothing: give a policy best_of = 2 or more")
        for name in picking:
            if 0 in self.policies[name].temperatures:
                raise ValueError(
                    f"policies.{name}.temperatures has 0, whose best_of responses are all the "
                    "same: raise it"
                )
        return self


class Group(Section):
    """Labelers who share tastes."""

    name: str
    """What the group is called in the votes."""
    share: float = Field(gt=0)
    """Its share of the pool; shares are relative."""
    tastes: dict[str, float] = {}
    """Weight of each axis (length, flattery, confidence, courtesy, padding) beside gold."""


class Population(Section):
    """Who the simulated labelers are. What is left out comes from the named population."""

    name: str = "default"
    """``default``, or ``flattery-fond``."""
    annotators: int | None = Field(default=None, ge=1)
    """People in the pool."""
    temperature: float | None = Field(default=None, gt=0)
    """Noise of a judgment, in units of utility: larger is less accurate."""
    lapse: float | None = Field(default=None, ge=0, lt=1)
    """Share of judgments that are a coin toss."""
    groups: tuple[Group, ...] | None = Field(default=None, min_length=1)
    """Groups that differ in taste."""
    position_bias: float | None = None
    """Added to the log-odds of the response shown first."""


class LabelStage(Section):
    """Pairs drawn from candidates, judged by simulated labelers, split by prompt."""

    kind: Literal["label"] = "label"
    candidates: Source
    """What a ``candidates`` stage wrote."""
    world: Literal["helpdesk", "digest"] = "helpdesk"
    """The world whose judge the labelers' tastes are weighed with."""
    population: Population = Population()
    """Who labels."""
    pairs_per_prompt: int = Field(default=1, ge=1)
    """Pairs drawn for each prompt."""
    votes_per_pair: int = Field(default=1, ge=1)
    """Labelers who judge a pair."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the prompts kept for early stopping."""
    test_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Share of the prompts kept for the final accuracy."""

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        leaves_training(self.validation_fraction, self.test_fraction)
        return self
