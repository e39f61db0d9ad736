"""Constitutional AI as stages: critique and revision, and labels by a model's own judgment."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.judge import Endpoint
from preftune.recipe.sections import SamplingSettings, Section, Source, leaves_training

Probability = Annotated[float, Field(ge=0, le=1)]


class Principles(Section):
    """Which principles are drawn from."""

    file: Source | None = None
    """A constitution in TOML; the package's own if not said."""
    about: tuple[str, ...] = ()
    """Principles about these subjects only, such as ``harmless``; all if empty."""
    without: tuple[str, ...] = ()
    """Less these, by their ids."""


class CritiqueStage(Section):
    """A policy answers, finds fault with its answer by a principle, and writes it anew.

    The revisions are demonstrations for ``sft`` (Bai et al. 2022, SL-CAI).
    """

    kind: Literal["critique"] = "critique"
    policy: Source
    """Who answers, and criticises and revises where no ``critic`` is named."""
    critic: Source | None = None
    """Who criticises and revises instead."""
    critique_prompt: Source | None = None
    """A text file with the words that a critique is asked with; the package's if not said."""
    revision_prompt: Source | None = None
    """The same for a revision."""
    prompts: Source
    """What it is asked."""
    constitution: Principles = Principles()
    """Principles, one drawn at random for each prompt and round."""
    exemplars: Source | None = None
    """Worked examples in TOML, put before each request; the package's two if not said."""
    rounds: int = Field(default=4, ge=1)
    """Critiques and revisions of each answer."""
    keep: Literal["all", "last"] = "all"
    """Which rounds' revisions become demonstrations."""
    limit: int | None = Field(default=None, ge=1)
    """Use this many prompts at most."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the prompts kept for early stopping."""
    sampling: SamplingSettings = SamplingSettings(max_new_tokens=128)
    """How answers, critiques and revisions are drawn."""


class Reasons(Section):
    """Chain of thought before each verdict."""

    sampling: SamplingSettings = SamplingSettings(max_new_tokens=128, temperature=0)
    """How the reasons are drawn."""
    prompt: Source | None = None
    """A text file with the words that reasons are asked for with; the package's if not said."""
    verdict_prompt: Source | None = None
    """The same for the verdict; its words may leave the responses out where they have the
    reasons."""
    clamp: tuple[Probability, Probability] = (0.4, 0.6)
    """Each order's probability is held between these (Bai et al. 2022)."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.clamp[0] > self.clamp[1]:
            raise ValueError(f"clamp = {list(self.clamp)} is the wrong way round")
        return self


class JudgeStage(Section):
    """Pairs of candidates compared by a model, by a principle each, asked in both orders.

    The labels are soft: the mean of both orders' normalised option probabilities (Bai et al.
    2022, RL-CAI; Lee et al. 2023, RLAIF).
    """

    kind: Literal["judge"] = "judge"
    candidates: Source
    """What a ``candidates`` stage wrote."""
    judge: Source | None = None
    """A language model that chooses."""
    endpoint: Endpoint | None = None
    """Or an OpenAI-shaped endpoint; with ``reasons`` it writes them at temperature 0."""
    constitution: Principles = Principles()
    """Principles, whose question one pair is compared by, drawn at random."""
    prompt: Source | None = None
    """A text file with the words that a pair is asked about with; the package's if not said."""
    probes: Source | None = None
    """Comparisons whose right answers are known, each with a ``principle``: how often the judge
    is right is measured by principle, and by the value of ``group`` where rows have one."""
    reasons: Reasons | None = None
    """Let the judge reason first."""
    pairs_per_prompt: int = Field(default=1, ge=1)
    """Pairs drawn for each prompt."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the prompts kept for early stopping."""
    test_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Share of the prompts kept for the final accuracy."""
    micro_batch_tokens: int = Field(default=8192, ge=1)
    """Tokens the judge reads at one time."""

    @model_validator(mode="after")
    def _leaves_training_and_no_gold(self) -> Self:
        leaves_training(self.validation_fraction, self.test_fraction)
        if (self.judge is None) == (self.endpoint is None):
            raise ValueError("a judge stage needs judge or endpoint, one of the two")
        if self.prompt is not None and self.reasons is not None:
            raise ValueError(
                "prompt asks without reasons: leave it out, or set reasons.prompt instead"
            )
        if self.judge is not None and self.judge.startswith("gold:"):
            raise ValueError(
                f"judge = {str(self.judge)!r} is a gold judge, which measures and never teaches: "
                "name a language model"
            )
        return self
