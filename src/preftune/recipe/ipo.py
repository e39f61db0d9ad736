"""Identity preference optimisation: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.offline import PairSettings, WithReference


class IPO(WithReference, PairSettings):
    """Regresses the log-ratio margin to 1/(2τ), so that certain labels do not run away."""

    kind: Literal["ipo"] = "ipo"
    tau: float = Field(default=0.1, gt=0)
    """Strength of the hold to the reference: the margin aimed at is 1/(2τ) nats."""
    logprobs: Literal["sum", "mean"] = "sum"
    """Log-probabilities summed over the response (the paper, DPO's reference code), or their mean
    a token (TRL); τ means another thing in each."""
