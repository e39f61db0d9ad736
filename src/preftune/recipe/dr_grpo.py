"""Dr. GRPO with a reward model: what can be set."""

from typing import Literal

from preftune.recipe.groups import ClippedGroups, LossAggregation


class DrGRPO(ClippedGroups):
    """GRPO without its two divisions: by the group's spread and by the response's length."""

    kind: Literal["dr_grpo"] = "dr_grpo"
    aggregation: LossAggregation = "constant"
    """As in GRPO; ``constant`` divides every response's sum by ``sampling.max_new_tokens``."""
