"""Pairs that people judge in a label store, and a run that waits for them: what can be set."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from preftune.recipe.sections import Section, Source, leaves_training

Share = Annotated[float, Field(ge=0, le=1)]


class People(Section):
    """Pairs drawn from candidates, put before people in a label store; the run waits for them.

    The first run opens the project and ends with status ``waiting``. Run again, it goes on once
    enough pairs are judged and, where asked for, people agree enough; what was said by then is
    frozen in the run.
    """

    kind: Literal["people"] = "people"
    store: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the label store's file or URL."""
    project: str = Field(min_length=1)
    """The store's project; made where it is missing. A project of another run is added to."""
    candidates: Source
    """What a ``candidates`` stage wrote."""
    title: str = "Which response is better?"
    """What people see above the work."""
    instructions: str = "Which response is better? Say how much, or that they are equally good."
    """The first guidelines, in Markdown."""
    scale: Literal["2-way", "4-grade", "7-point"] = "7-point"
    """How strongly a preference can be said."""
    pairs_per_prompt: int = Field(default=1, ge=1)
    """Pairs drawn for each prompt."""
    across: bool = False
    """Pairs of answers of different policies only: a blind comparison of the two."""
    votes_per_pair: int = Field(default=1, ge=1)
    """People who judge a pair."""
    judged_at_least: Share = 1.0
    """Share of the pairs that must have all their judgments before the run goes on."""
    agreement_at_least: Share | None = None
    """Goes on only if two people agree on a pair this often, by the interval's lower end."""
    validation_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the prompts kept for early stopping."""
    test_fraction: float = Field(default=0.15, ge=0, lt=1)
    """Share of the prompts kept for the final accuracy."""

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        leaves_training(self.validation_fraction, self.test_fraction)
        if self.agreement_at_least is not None and self.votes_per_pair < 2:
            raise ValueError(
                "agreement_at_least compares two votes of a pair: set votes_per_pair = 2 or more"
            )
        if self.judged_at_least == 0:
            raise ValueError("judged_at_least = 0 waits for nobody: raise it")
        return self
