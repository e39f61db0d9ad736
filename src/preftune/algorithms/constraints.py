"""Parts of the reward kept below a limit, each by a multiplier that follows it."""

from collections.abc import Mapping, Sequence

import torch

from preftune.maths.lagrangian import next_multiplier, penalised
from preftune.recipe import OnPolicy
from preftune.recipe.several_objectives import Constraint
from preftune.records import Axes

Multipliers = Mapping[str, float]
"""λ by the name of a constrained part."""
UNCONSTRAINED: Multipliers = {}


def constraints_of(recipe: OnPolicy) -> dict[str, Constraint]:
    """The recipe's constraints by the names of their parts."""
    given = {name: reward.constraint for name, reward in recipe.rewards.items()}
    return {name: constraint for name, constraint in given.items() if constraint is not None}


def first_multipliers(recipe: OnPolicy, saved: Multipliers) -> dict[str, float]:
    """λ at the start, or as a checkpoint had it."""
    return {name: saved.get(name, c.start) for name, c in constraints_of(recipe).items()}


def priced(scores_B: torch.Tensor, axes: Sequence[Axes], multipliers: Multipliers) -> torch.Tensor:
    """Scores less λ times each constrained part, [B]; a part that does not apply costs nothing."""
    for name, multiplier in multipliers.items():
        scores_B = penalised(
            helpful_B=scores_B,
            harm_B=torch.tensor([row.get(name, 0.0) for row in axes], dtype=scores_B.dtype),
            multiplier=multiplier,
        )
    return scores_B


def followed(recipe: OnPolicy, multipliers: Multipliers, axes: Sequence[Axes]) -> dict[str, float]:
    """λ after an iteration, from the means of the responses its part applies to."""
    found = dict(multipliers)
    for name, constraint in constraints_of(recipe).items():
        values = [row[name] for row in axes if name in row]
        if not values:
            continue
        moved = next_multiplier(
            harm_B=torch.tensor(values, dtype=torch.float64),
            multiplier=multipliers[name],
            limit=constraint.most,
            rate=constraint.rate,
        )
        found[name] = moved if constraint.largest is None else min(moved, constraint.largest)
    return found


def multiplier_metrics(multipliers: Multipliers) -> dict[str, float]:
    """``constraints/NAME/multiplier``; the parts' means are among the other parts'."""
    return {f"constraints/{name}/multiplier": value for name, value in multipliers.items()}
