"""When training is warned about, and when it is stopped: the thresholds of every guard.

Where a threshold is a share, a factor or a rise, it is measured against the run's own beginning:
the mean over the first ``start`` iterations. What is compared with it is the mean over the last
``window`` ones, so one odd iteration stops nothing.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.sections import Section

Action = Literal["off", "warn", "halt"]
ACTIONS = ("off", "warn", "halt")


class Guard(Section):
    """One watch over one kind of trouble."""

    action: Action = "halt"
    """The most it may do: ``off`` looks away, ``warn`` only tells, ``halt`` may stop the stage."""


class Rising(Guard):
    """A guard over a number that should not become large."""

    warn: float = Field(ge=0)
    """Above this it warns."""
    halt: float = Field(ge=0)
    """Above this it halts."""

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.halt < self.warn:
            raise ValueError(f"halt = {self.halt:g} lies below warn = {self.warn:g}: raise halt")
        return self


class KLGuard(Rising):
    """KL to the reference, in nats a token, so that long answers are no alarm."""

    warn: float = Field(default=0.5, ge=0)
    """Above this it warns. Runs that keep their language stay below about .2 nats a token."""
    halt: float = Field(default=2.0, ge=0)
    """Above this it halts: every token is e² times likelier than under the reference."""


class EntropyGuard(Guard):
    """Entropy of the next token, as a share of the beginning's: what a collapse takes first."""

    warn: float = Field(default=0.3, gt=0, lt=1)
    """Below this share it warns."""
    halt: float = Field(default=0.1, gt=0, lt=1)
    """Below this share it halts: there is too little chance left to learn from."""

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.halt > self.warn:
            raise ValueError(f"halt = {self.halt:g} lies above warn = {self.warn:g}: lower halt")
        return self


class LengthGuard(Rising):
    """Mean length of the responses: how many times longer, or shorter, than at the beginning."""

    warn: float = Field(default=2.0, ge=1)
    """Beyond this factor it warns. Published runs that were hacked by length doubled it."""
    halt: float = Field(default=4.0, ge=1)
    """Beyond this factor it halts."""


class RepetitionGuard(Rising):
    """Share of a response's word triples that it has said before: its rise."""

    warn: float = Field(default=0.1, ge=0)
    """Above this rise it warns: one triple in ten more is a repetition."""
    halt: float = Field(default=0.3, ge=0)
    """Above this rise it halts."""


class StockPhraseGuard(Rising):
    """Share of the responses that hold the most frequent run of five words: its rise."""

    warn: float = Field(default=0.3, ge=0)
    """Above this rise it warns: three responses in ten more share a phrase."""
    halt: float = Field(default=0.6, ge=0)
    """Above this rise it halts."""


class PlateauGuard(Guard):
    """The score no longer rises: what is still spent is KL."""

    action: Action = "warn"
    """The most it may do; to stop at a plateau is a choice, no rescue, so it only warns."""
    window: int = Field(default=30, ge=6)
    """Iterations looked at; their later half is compared with their earlier half."""
    share: float = Field(default=0.05, gt=0, lt=1)
    """It warns when the rise is surely less than this share of everything gained so far."""


class OveroptimizationGuard(Guard):
    """The score rises and the win rate does not: the reward model is being pleased, nobody else."""

    patience: int = Field(default=3, ge=1)
    """Evaluations without a better win rate after which it warns."""
    errors: float = Field(default=3.0, gt=0)
    """It halts once two win rates in a row lie this many standard errors below the best."""


class UncertaintyGuard(Rising):
    """An ensemble's disagreement on the responses: how many times that of the beginning."""

    warn: float = Field(default=2.0, ge=1)
    """Above this factor it warns: the members no longer know these texts."""
    halt: float = Field(default=4.0, ge=1)
    """Above this factor it halts."""


class ScoreRangeGuard(Rising):
    """How far the mean score has left the scores of the beginning, in their own spread."""

    warn: float = Field(default=3.0, ge=0)
    """Above this many standard deviations it warns: few texts the scorer knew scored so high."""
    halt: float = Field(default=6.0, ge=0)
    """Above this many it halts."""


class ExplainedVarianceGuard(Guard):
    """The value network predicts worse than its own mean would."""

    action: Action = "warn"
    """The most it may do; a bad critic wastes time and harms nothing, so it only warns."""
    warn: float = Field(default=0.0, lt=1)
    """Below this explained variance it warns, once the critic has had its start."""


class TruncationGuard(Rising):
    """Share of the responses that are cut off: its rise."""

    warn: float = Field(default=0.2, ge=0)
    """Above this rise it warns: scores of half answers say little."""
    halt: float = Field(default=0.5, ge=0)
    """Above this rise it halts."""


class MismatchGuard(Rising):
    """Mean |log-probability sampled with − trained with|, in nats, before any update."""

    warn: float = Field(default=0.02, ge=0)
    """Above this it warns: half precision alone makes about .01."""
    halt: float = Field(default=0.2, ge=0)
    """Above this it halts: the sampler has other weights, or another temperature."""


class NonFiniteGuard(Guard):
    """A number that is no finite number halts at once."""


class Guards(Section):
    """What watches an on-policy stage while it trains."""

    action: Action = "halt"
    """The most any of them may do; ``warn`` lets a run go on to show what happens."""
    start: int = Field(default=3, ge=1)
    """First iterations whose mean is the beginning."""
    window: int = Field(default=5, ge=1)
    """Last iterations whose mean is compared with it."""
    on_halt: Literal["stop", "continue"] = "stop"
    """After a halt the stage's model is its last good checkpoint. ``stop`` ends the run there,
    exit code 1; ``continue`` goes on with that model. It may be changed afterwards."""
    kl: KLGuard = KLGuard()
    """KL to the reference."""
    entropy: EntropyGuard = EntropyGuard()
    """Collapse of the policy's entropy."""
    length: LengthGuard = LengthGuard()
    """Responses that grow or shrink."""
    repetition: RepetitionGuard = RepetitionGuard()
    """Responses that repeat themselves."""
    stock_phrases: StockPhraseGuard = StockPhraseGuard()
    """One phrase in every response."""
    plateau: PlateauGuard = PlateauGuard()
    """A score that no longer rises."""
    overoptimization: OveroptimizationGuard = OveroptimizationGuard()
    """A score that rises while the win rate does not."""
    uncertainty: UncertaintyGuard = UncertaintyGuard()
    """A reward model that no longer agrees with itself."""
    score_range: ScoreRangeGuard = ScoreRangeGuard()
    """Scores outside what the reward model knew."""
    explained_variance: ExplainedVarianceGuard = ExplainedVarianceGuard()
    """A value network of no use."""
    truncation: TruncationGuard = TruncationGuard()
    """Responses that are cut off."""
    non_finite: NonFiniteGuard = NonFiniteGuard()
    """Numbers that are no numbers."""
    mismatch: MismatchGuard = MismatchGuard()
    """A sampler that is not the policy in training."""

    def may(self, guard: str) -> Action:
        """The most this guard may do: its own ``action``, and no more than all of them may."""
        own: Action = getattr(self, guard).action
        return min(own, self.action, key=ACTIONS.index)
