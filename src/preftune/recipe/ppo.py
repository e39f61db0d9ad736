"""PPO with a reward model: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.on_policy import OnPolicyWithCritic


class PPO(OnPolicyWithCritic):
    """Proximal policy optimisation with a separate value network started from the reward model."""

    kind: Literal["ppo"] = "ppo"
    cliprange: float = Field(default=0.2, gt=0)
    """The probability ratio is clipped to 1 ± this."""
