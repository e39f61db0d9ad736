"""Odds-ratio preference optimisation: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.offline import PairSettings


class ORPO(PairSettings):
    """Learns the chosen answer and, in the same loss, prefers it by its odds; no reference."""

    kind: Literal["orpo"] = "orpo"
    lam: float = Field(default=0.1, ge=0)
    """λ, the weight of the odds ratio (paper: .1 for Mistral, .2 for Llama 2, .25 for Phi-2)."""
