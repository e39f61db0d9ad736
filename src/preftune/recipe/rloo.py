"""RLOO with a reward model: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.groups import Groups


class RLOO(Groups):
    """REINFORCE leave-one-out: a response against the mean of the others to its prompt."""

    kind: Literal["rloo"] = "rloo"
    cliprange: float = Field(default=0.2, gt=0)
    """The probability ratio of a whole response is clipped to 1 ± this."""
