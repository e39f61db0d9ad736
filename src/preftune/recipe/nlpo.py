"""NLPO with a reward model: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.engine import NativeRollouts
from preftune.recipe.on_policy import Clipped


class NLPO(Clipped):
    """Natural-language policy optimisation: PPO among the tokens an older policy finds likely."""

    kind: Literal["nlpo"] = "nlpo"
    engine: NativeRollouts = NativeRollouts()
    """Only the built-in engine writes under a mask."""
    top_p: float = Field(default=0.9, gt=0, le=1)
    """Tokens of the mask policy's top-p set may be written, renormalised; 1 is PPO."""
    min_tokens: int = Field(default=1, ge=1)
    """At least this many tokens may be written."""
    mask_every: int = Field(default=5, ge=1)
    """Iterations after which the mask policy becomes a copy of the policy."""
