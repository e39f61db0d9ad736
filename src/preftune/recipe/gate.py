"""What must be true before a run goes on: the checks of a gate."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.sections import Section, Source

Share = Annotated[float, Field(ge=0, le=1)]


class Check(Section):
    """One condition. Where the number has an interval, its worse end must meet the threshold."""

    by: Literal["interval", "value"] = "interval"
    """``interval``: the worse end of the 95 % interval counts; ``value``: the number itself."""


class AgreementCheck(Check):
    """How often two labelers of one pair give the same answer."""

    kind: Literal["agreement"] = "agreement"
    labels: Source
    """Pairs with votes, two or more on some of them."""
    at_least: Share = 0.6
    """A coin agrees with itself half the time; careful people reach .65 to .8."""


class AccuracyCheck(Check):
    """The reward model's accuracy on labels it was not trained on."""

    kind: Literal["accuracy"] = "accuracy"
    of: Source
    """``stage:NAME/summary`` of a ``reward_model`` or an ``evaluate`` stage."""
    at_least: Share = 0.55
    """Policies trained on models near chance chase their errors."""


class CalibrationCheck(Check):
    """The reward model's expected calibration error, after its temperature."""

    kind: Literal["calibration"] = "calibration"
    of: Source
    """``stage:NAME/summary`` of a ``reward_model`` or an ``evaluate`` stage."""
    at_most: Share = 0.1
    """Mean distance between what it states and what is so."""


class WinRateCheck(Check):
    """A policy's win rate on held-out prompts."""

    kind: Literal["win_rate"] = "win_rate"
    of: Source
    """``stage:NAME/summary`` of an ``evaluate`` stage that has these ``win_rates``."""
    policy: str
    """Who should win."""
    against: str
    """Whom it should beat."""
    at_least: Share = 0.5
    """Half is a draw."""


class RewardCheck(Check):
    """How much more a policy scores than another on the same held-out prompts."""

    kind: Literal["reward"] = "reward"
    of: Source
    """``stage:NAME/samples`` of an ``evaluate`` stage."""
    policy: str
    """Whose answers."""
    against: str
    """Compared with whose."""
    score: Literal["proxy", "judge"] = "proxy"
    """``proxy`` is the evaluate stage's ``reward_model``: give it one that nothing was trained
    on."""
    at_least: float = 0.0
    """Mean difference, in units of the score."""


class AlignmentTaxCheck(Check):
    """What a policy lost on ordinary text, in nats a token."""

    kind: Literal["alignment_tax"] = "alignment_tax"
    of: Source
    """``stage:NAME/summary`` of an ``evaluate`` stage that has ``documents``."""
    policy: str
    """Which policy."""
    at_most: float = Field(default=0.1, ge=0)
    """Loss above the reference policy's; .1 is ten percent more perplexity."""


class DiversityCheck(Check):
    """A policy's distinct word pairs as a share of another's, over equally many answers."""

    kind: Literal["diversity"] = "diversity"
    of: Source
    """``stage:NAME/summary`` of an ``evaluate`` stage."""
    policy: str
    """Which policy."""
    against: str
    """The policy it came from."""
    at_least: float = Field(default=0.5, ge=0)
    """Half the variety gone is a collapse on its way."""


class AuditCheck(Check):
    """That a reward model was not found to like what it should not."""

    kind: Literal["audit"] = "audit"
    of: Source
    """``stage:NAME/summary`` of an ``audit`` stage."""
    forbid: tuple[str, ...] = ()
    """Names of biases (flattery, confidence, length, padding …); any bias if none is said."""
    at_most: int = Field(default=0, ge=0)
    """So many of them may be named."""


class PreferredCheck(Check):
    """A policy's win rate by labelers: blind pairs of its answers and another's."""

    kind: Literal["preferred"] = "preferred"
    labels: Source
    """Pairs with votes that say whose answers they are: of a ``people`` or ``label`` stage whose
    candidates come from both policies."""
    policy: str
    """Who should be preferred; its name in the ``candidates`` stage."""
    against: str
    """To whom."""
    at_least: Share = 0.5
    """Half is a draw."""


class NumberCheck(Check):
    """Any number of any stage's summary."""

    kind: Literal["number"] = "number"
    of: Source
    """``stage:NAME/summary``."""
    path: str
    """Where the number stands: ``policies.ppo.words``."""
    at_least: float | None = None
    """Not below this."""
    at_most: float | None = None
    """Not above this."""

    @model_validator(mode="after")
    def _has_a_threshold(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a number is held to one threshold: give at_least or at_most")
        return self


GateCheck = Annotated[
    AgreementCheck
    | AccuracyCheck
    | CalibrationCheck
    | WinRateCheck
    | RewardCheck
    | AlignmentTaxCheck
    | DiversityCheck
    | AuditCheck
    | PreferredCheck
    | NumberCheck,
    Field(discriminator="kind"),
]


class Gate(Section):
    """The run goes on if every check passes; else it stops here, refused."""

    kind: Literal["gate"] = "gate"
    checks: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], GateCheck] = Field(
        min_length=1
    )
    """Named conditions."""


def condition(check: GateCheck) -> str:
    """The condition in a few words, for plans and reports."""
    who = f" of {check.policy}" if hasattr(check, "policy") else ""
    who += f" against {check.against}" if hasattr(check, "against") else ""
    what = check.path if isinstance(check, NumberCheck) else check.kind.replace("_", " ")
    low, high = getattr(check, "at_least", None), getattr(check, "at_most", None)
    return f"{what}{who} {'at least' if low is not None else 'at most'} {_bar(low, high):g}"


def _bar(low: float | None, high: float | None) -> float:
    assert low is not None or high is not None
    return low if low is not None else float(high or 0.0)
