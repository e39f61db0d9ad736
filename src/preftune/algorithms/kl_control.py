"""The price of the KL to the reference, from one iteration to the next."""

from preftune.maths.kl import gain_update, horizon_update
from preftune.recipe import OnPolicy


def adapted(recipe: OnPolicy, coefficient: float, kl: float) -> float:
    """The KL coefficient of the next iteration."""
    control = recipe.kl
    if control.kind == "adaptive_horizon":
        return horizon_update(
            coefficient=coefficient,
            kl=kl,
            target=control.target,
            horizon=control.horizon,
            episodes=recipe.rollouts,
        )
    if control.kind == "adaptive_gain":
        return gain_update(coefficient=coefficient, kl=kl, target=control.target, gain=control.gain)
    return coefficient
