"""GRPO with a reward model: what can be set."""

from typing import Literal

from preftune.recipe.groups import ClippedGroups


class GRPO(ClippedGroups):
    """Group relative policy optimisation: rewards scaled by their group's own spread."""

    kind: Literal["grpo"] = "grpo"
    scale: Literal["group", "group_population", "batch"] = "group"
    """Whose standard deviation divides: the group's (divided by G − 1), the group's with division
    by G, or the whole batch's. Without any it is ``kind = "dr_grpo"``."""
