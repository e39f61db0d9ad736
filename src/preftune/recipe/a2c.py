"""A2C with a reward model: what can be set."""

from typing import Literal

from pydantic import Field

from preftune.recipe.on_policy import OnPolicyWithCritic
from preftune.recipe.sections import Optimizer


class A2C(OnPolicyWithCritic):
    """Advantage actor–critic: one gradient step on fresh responses, then new ones."""

    kind: Literal["a2c"] = "a2c"
    iterations: int = Field(default=160, ge=1)
    """Rounds of sample → score → credit → update; each is one optimizer step."""
    rollouts: int = Field(default=64, ge=1)
    """Responses sampled in an iteration."""
    epochs: Literal[1] = 1
    """One pass: after a step the responses are no longer the policy's own."""
    minibatches: Literal[1] = 1
    """One optimizer step, for the same reason."""
    epoch_kl_stop: None = None
    """There is no second pass that could be left out."""
    lam: float = Field(default=1.0, ge=0, le=1)
    """λ of generalised advantage estimation; at 1 all of what is still to come minus the value."""
    vf_coef: float = Field(default=0.5, gt=0)
    """Weight of the value's mean squared error."""
    critic_warmup: int = Field(default=8, ge=0)
    """First iterations in which only the value learns."""
    optimizer: Optimizer = Optimizer(
        kind="rmsprop", learning_rate=3e-4, epsilon=1e-5, schedule="linear", final_fraction=0.0
    )
    """Optimizer of the policy."""
    value_optimizer: Optimizer = Optimizer(
        kind="rmsprop", learning_rate=3e-4, epsilon=1e-5, schedule="linear", final_fraction=0.0
    )
    """Optimizer of the value network."""
