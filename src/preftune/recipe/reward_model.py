"""A reward model on comparisons, rankings, ratings or steps: what can be set."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.compute import Adapting
from preftune.recipe.reward_objectives import Aggregation, BradleyTerry, MeanScore, Objective
from preftune.recipe.sections import Optimizer, Section, Source, TooLong

ON_COMPARISONS = ("bradley_terry", "k_wise")
"""The objectives that learn from comparisons."""


class Linear(Section):
    """A linear reward model on words and counts of style (lengths, capitals, marks)."""

    text: tuple[Source, ...] = ()
    """Files of text, as ``pretrain`` reads them, that say how common a word is: then unknown and
    rare words (spelling, vocabulary) count too. Use what the model was pretrained on."""


class RewardModel(Adapting):
    """Learns a score, by default such that P(chosen beats rejected) = sigmoid(difference)."""

    kind: Literal["reward_model"] = "reward_model"
    model: Source
    """The model whose body the reward model starts from, usually the SFT model."""
    train: Source
    """Comparisons (preference, votes or ranking rows), or what the objective learns from."""
    validation: Source | None = None
    """Held-out rows of other prompts; the best step on their accuracy is kept, or on their loss
    where there is no accuracy."""
    objective: Objective = BradleyTerry()
    """What is learned, and from which rows."""
    labels: Literal["hard", "soft"] = "hard"
    """``hard``: the majority decides. ``soft``: the share of votes is the target probability."""
    annotator_weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """How much the votes of these annotators count; those not named count 1. Needs votes rows."""
    normalise_on: Source | None = None
    """Demonstrations whose mean score becomes 0 and standard deviation 1 (Ziegler et al. 2019)."""
    epochs: int = Field(default=1, ge=1)
    """Passes over the comparisons at most; more than one usually overfits."""
    batching: Literal["pairs", "prompts"] = "pairs"
    """``pairs``: a step takes single comparisons. ``prompts``: it takes prompts with all their
    comparisons (Ouyang et al. 2022), for data where answers meet many others."""
    batch_size: int = Field(default=64, ge=1)
    """Comparisons in an optimizer step, or prompts where ``batching`` says so."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest prompt with completion, in tokens; the model's context if not said."""
    too_long: TooLong = "truncate_prompt_left"
    """What happens to a longer row."""
    skip_bad: int = Field(default=0, ge=0)
    """This many malformed rows may be skipped."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the hidden state the score is read from, while training."""
    token_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of a completion's tokens that are hidden behind the pad token, drawn anew each time a
    row is trained on (word dropout, Iyyer et al. 2015); the end stays. Against learning single
    texts by heart."""
    center: float = Field(default=0.0, ge=0)
    """Weight of (score chosen + score rejected)², which keeps scores near 0 (Eisenstein et al.)."""
    evaluate_every: int = Field(default=20, ge=1)
    """Optimizer steps between validation accuracies."""
    patience: int = Field(default=5, ge=1)
    """Stop after this many validations without a better accuracy."""
    micro_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens that go through the network at once; changes memory, not the result."""
    optimizer: Optimizer = Optimizer(learning_rate=3e-4, warmup_steps=10, weight_decay=0.01)
    """Optimizer of the reward model."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Optimizer steps between checkpoints."""
    not_sure_below: float = Field(default=0.6, ge=0.5, lt=1)
    """The model is counted as not sure of a pair when the calibrated probability of neither side
    reaches this; the summary says how often, and how accurate it is where it is sure."""
    members: int = Field(default=1, ge=1)
    """Reward models trained, with other heads and another order of the rows; 2 and more are an
    ensemble."""
    bootstrap: bool = False
    """Each member learns from as many rows drawn with replacement, whole prompts at a time."""
    member_learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Learning rates the members take in turn (Ramé et al. 2024: 1e-5, 4e-5 and 1e-4); the
    optimizer's for all of them if empty."""
    member_dropouts: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = ()
    """Dropouts the members take in turn, each beside every learning rate; ``dropout`` for all of
    them if empty."""
    aggregation: Aggregation = MeanScore()
    """How an ensemble's scores become one, after each member is centred on the same answers."""
    linear: Linear | None = None
    """A linear model on the answer's words and style that the members are added to, with a weight
    fitted on the validation rows: ``{}`` for the defaults. For some hundred answers, or where
    style matters that a small network does not see."""
    average_weights: bool = False
    """One model with the members' mean weights (WARM, Ramé et al. 2024); they then start from the
    same head."""

    def of_member(self, member: int) -> Self:
        """The settings one member is trained with: (rate, dropout) pairs go round, rates first."""
        rates = self.member_learning_rates or (self.optimizer.learning_rate,)
        dropouts = self.member_dropouts or (self.dropout,)
        rate = rates[member % len(rates)]
        optimizer = self.optimizer.model_copy(update={"learning_rate": rate})
        dropout = dropouts[member // len(rates) % len(dropouts)]
        return self.model_copy(update={"optimizer": optimizer, "dropout": dropout})

    @model_validator(mode="after")
    def _objective_fits(self) -> Self:
        kind = self.objective.kind
        only = {
            'labels = "soft"': self.labels == "soft",
            "center": self.center > 0,
            'batching = "prompts"': self.batching == "prompts",
        }
        for name, given in only.items():
            if given and kind != "bradley_terry":
                raise ValueError(
                    f"{name} belongs to bradley_terry and not to {kind}: leave it out, or set "
                    'objective.kind = "bradley_terry"'
                )
        if self.token_dropout and kind == "process":
            raise ValueError(
                "token_dropout would hide where steps end, which process reads: leave it out"
            )
        if self.linear is not None and kind not in ON_COMPARISONS:
            raise ValueError(
                f"linear learns from comparisons, and {kind} has none: leave it out, or set "
                'objective.kind = "bradley_terry"'
            )
        if self.annotator_weights and kind not in ON_COMPARISONS:
            raise ValueError(
                f"annotator_weights weigh votes, and {kind} learns from none: leave them out"
            )
        return self

    @model_validator(mode="after")
    def _members_fit(self) -> Self:
        for name in ("bootstrap", "average_weights", "member_learning_rates", "member_dropouts"):
            if getattr(self, name) and self.members == 1:
                raise ValueError(f"{name} needs several members: set members = 5, for instance")
        if self.average_weights and self.adapter is not None:
            raise ValueError(
                "average_weights averages whole networks, and adapter trains a part of them: leave "
                "one out"
            )
        if self.average_weights and self.linear is not None:
            raise ValueError(
                "average_weights makes one model, and linear stands beside it: leave one out"
            )
        if self.members == 1 and self.aggregation.kind != "mean":
            raise ValueError(
                "one model has nothing to aggregate: set members = 5, for instance, or leave "
                "aggregation out"
            )
        if self.average_weights and self.aggregation.kind != "mean":
            raise ValueError(
                "average_weights makes one model, whose score needs no aggregation: leave one out"
            )
        return self
