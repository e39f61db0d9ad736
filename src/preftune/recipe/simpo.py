"""Simple preference optimisation: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.offline import PairSettings


class SimPO(PairSettings):
    """Prefers the chosen answer by its mean log-probability a token; no reference."""

    kind: Literal["simpo"] = "simpo"
    beta: float = Field(default=2.0, gt=0)
    """Scale of the mean log-probabilities (paper: 2 to 2.5)."""
    gamma: float = Field(default=1.0, ge=0)
    """Margin asked for on top, in units of β times nats a token (paper: γ/β of .1 to .8)."""
