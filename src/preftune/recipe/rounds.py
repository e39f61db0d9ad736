"""What rounds add to the other stages: all labels in one file, and promote or roll back."""

from typing import Annotated, Literal

from pydantic import Field

from preftune.recipe.gate import GateCheck
from preftune.recipe.sections import Section, Source


class Select(Section):
    """The rows of a file whose column has one of some values."""

    kind: Literal["select"] = "select"
    source: Source
    """The file."""
    column: str
    """The column."""
    values: tuple[str, ...] = Field(min_length=1)
    """The values wanted."""
    limit: int | None = Field(default=None, ge=1)
    """This many rows at most, the first ones."""


class Gather(Section):
    """Rows of several files in one, so that a reward model learns from all rounds' labels."""

    kind: Literal["gather"] = "gather"
    sources: tuple[Source, ...] = Field(min_length=1)
    """Files of one format, the oldest round first."""
    as_comparisons: bool = False
    """Votes, preferences and rankings all become comparisons with a probability, so that people's
    and a judge's labels can stand in one file."""


class Promote(Section):
    """The candidate where every check passes, else the incumbent: the next round's policy.

    Unlike a gate it never refuses: a round that did not help is rolled back and the run goes on.
    """

    kind: Literal["promote"] = "promote"
    candidate: Source
    """The policy this round made."""
    incumbent: Source
    """The policy it came from."""
    checks: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], GateCheck] = Field(
        min_length=1
    )
    """What the candidate must show; the same checks as a gate's."""
