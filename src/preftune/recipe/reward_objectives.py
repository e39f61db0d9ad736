"""What a reward model learns from, and how several are read as one: what can be set."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.sections import Section


class SafetyLabel(Section):
    """Llama 2's auxiliary loss: a second output says whether an answer is safe.

    Cross-entropy on the label of each answer. The output is saved as the axis ``safe``, in
    log-odds; the score stays the first output.
    """

    column: str = "safe"
    """The columns ``COLUMN_chosen`` and ``COLUMN_rejected`` hold true, false or null."""
    weight: float = Field(default=0.1, gt=0)
    """Weight of the auxiliary loss; Llama 2 does not report its own."""


class BradleyTerry(Section):
    """P(chosen beats rejected) = sigmoid(score difference), on comparisons."""

    kind: Literal["bradley_terry"] = "bradley_terry"
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """The share of labels taken to be flipped: the target p becomes (1 − ε) p + ε (1 − p)."""
    margins: Literal["column", "llama2_small", "llama2_large"] = "column"
    """``column``: the row's ``margin``, 0 without one. The others are Llama 2's margins by the
    strength of a preference: small 1, 2/3, 1/3, 0 and large 3, 2, 1, 0."""
    strength_column: str = "strength"
    """For Llama 2's margins: ``significantly``, ``better``, ``slightly`` or ``negligibly``."""
    ties: Literal["drop", "half"] = "drop"
    """Votes that come out even. ``drop`` leaves the pair out, ``half`` sets its target to .5
    (Christiano et al. 2017)."""
    safety: SafetyLabel | None = None
    """An auxiliary loss on safety labels (Llama 2)."""


class KWise(Section):
    """All comparisons of one prompt are one batch element with one vote (Ouyang et al. 2022).

    The mean of the Bradley–Terry losses over the pairs of a prompt, each answer encoded once, ties
    dropped. Rankings are read as their pairs.
    """

    kind: Literal["k_wise"] = "k_wise"


class PlackettLuce(Section):
    """The probability of a whole ranking, on ranking rows; equals Bradley–Terry for two answers.

    Answers may share the last rank, as where only the best is known, and no other one.
    """

    kind: Literal["plackett_luce"] = "plackett_luce"


class BestOfSoftmax(Section):
    """The probability that the best of K is best (Ziegler et al. 2019), on ranking rows."""

    kind: Literal["best_of_softmax"] = "best_of_softmax"


class RatingRegression(Section):
    """Squared error to one rating, on rating rows. The score is in the ratings' own unit."""

    kind: Literal["rating"] = "rating"
    axis: str | None = None
    """The rating learned; may be left out where rows have only one."""


class AxesRegression(Section):
    """Squared error to several named ratings, one output each; untouched ones are masked."""

    kind: Literal["axes"] = "axes"
    axes: Annotated[tuple[str, ...], Field(min_length=1)]
    """The ratings learned, in the order of the model's outputs."""
    score: str | None = None
    """The axis that is the score."""
    weights: dict[str, float] = {}
    """Or the score as a weighted sum of axes."""

    @model_validator(mode="after")
    def _one_score_of_known_axes(self) -> Self:
        if len(set(self.axes)) < len(self.axes):
            raise ValueError("axes names one axis twice: name each once")
        if (self.score is None) == (not self.weights):
            raise ValueError("name the axis that is the score, or weights for a sum, and not both")
        strange = {*self.weights, *([self.score] if self.score else [])} - set(self.axes)
        if strange:
            raise ValueError(f"{sorted(strange)[0]!r} is none of axes = {list(self.axes)}")
        return self

    def score_weights(self) -> tuple[float, ...]:
        """The weight of each axis in the score."""
        given = self.weights or {str(self.score): 1.0}
        return tuple(given.get(axis, 0.0) for axis in self.axes)


class Process(Section):
    """A score for every step, on stepwise rows (Uesato et al. 2022; Lightman et al. 2023).

    Cross-entropy between a step's score, in log-odds, and its label: true or false, a number from
    0 to 1, or null. A score is read where a step ends.
    """

    kind: Literal["process"] = "process"
    separator: str = Field(default="\n", min_length=1)
    """The text between two steps; steps are joined with it, and it must be whole in one token."""
    aggregate: Literal["min", "product", "last"] = "min"
    """The answer's score: ``min`` its worst step, ``product`` the log-probability that every step
    is right, ``last`` its last step."""


class Rules(Section):
    """P(a rule is kept | conversation, rule), all rules by one model (Glaese et al. 2022, Sparrow).

    Rows ``{"prompt", "completion", "label", "rule_text"}``: the label is true where the rule was
    kept. The rule's words stand before the prompt; the score is the log-odds of being kept.
    """

    kind: Literal["rules"] = "rules"
    words: str = "rule: {rule}\n"
    """What comes before a prompt; ``{rule}`` becomes the rule's words."""

    @model_validator(mode="after")
    def _says_the_rule(self) -> Self:
        if "{rule}" not in self.words:
            raise ValueError("words must say {rule}, or the model cannot know it")
        return self


Objective = Annotated[
    BradleyTerry
    | KWise
    | PlackettLuce
    | BestOfSoftmax
    | RatingRegression
    | AxesRegression
    | Process
    | Rules,
    Field(discriminator="kind"),
]


class MeanScore(Section):
    """The mean of the members' scores."""

    kind: Literal["mean"] = "mean"


class WorstCase(Section):
    """The lowest of the members' scores (Coste et al. 2023)."""

    kind: Literal["worst_case"] = "worst_case"


class UncertaintyWeighted(Section):
    """Mean minus ``penalty`` times the members' variance (Coste et al. 2023)."""

    kind: Literal["uncertainty_weighted"] = "uncertainty_weighted"
    penalty: float = Field(default=0.5, ge=0)
    """λ; Coste et al. use .5 for best of n and .1 for PPO."""
    ddof: Literal[0, 1] = 0
    """What is taken off the number of members: 0 is the variance of these members (Coste et
    al.'s best of n), 1 the unbiased estimate (their PPO)."""


Aggregation = Annotated[
    MeanScore | WorstCase | UncertaintyWeighted,
    Field(discriminator="kind"),
]
