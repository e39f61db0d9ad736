"""TRPO with a reward model: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.on_policy import OnPolicyWithCritic


class TRPO(OnPolicyWithCritic):
    """Trust-region policy optimisation: one natural-gradient step an iteration, held to a KL."""

    kind: Literal["trpo"] = "trpo"
    epochs: int = Field(default=5, ge=1)
    """Passes of the value network over an iteration's responses."""
    minibatches: int = Field(default=2, ge=1)
    """Optimizer steps of the value network in a pass; must divide ``rollouts``."""
    epoch_kl_stop: None = None
    """The trust region is the limit."""
    optimizer: None = None  # type: ignore[assignment]
    """The policy has no optimizer: its step is the natural gradient's."""
    precision: Literal["float32"] = "float32"
    """Conjugate gradients need the digits."""
    activation_checkpointing: Literal[False] = False
    """The Fisher matrix takes a gradient of a gradient."""
    adapter: None = None
    """The trust region is that of all weights."""
    kl_limit: float = Field(default=0.01, gt=0)
    """δ: largest mean KL of the step, old policy to new, in nats a token."""
    kl_limit_final: float | None = Field(default=None, gt=0)
    """δ of the last iteration, reached linearly; the same all the way if not said."""
    cg_iterations: int = Field(default=10, ge=1)
    """Conjugate-gradient iterations for the direction."""
    cg_damping: float = Field(default=0.1, ge=0)
    """Added to the Fisher matrix's diagonal while the direction is sought."""
    fisher_responses: int | None = Field(default=None, ge=1)
    """Responses the Fisher matrix is averaged over; all if not said."""
    line_search_steps: int = Field(default=10, ge=1)
    """Steps tried before the iteration is given up and the weights are put back."""
    backtrack: float = Field(default=0.8, gt=0, lt=1)
    """Each try is this much shorter than the one before."""
