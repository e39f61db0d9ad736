"""The networks, prompts and settings that every on-policy story is given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from preftune.records import Prompt, Sampling


@dataclass(frozen=True, slots=True)
class OnPolicyInputs:
    """The networks and prompts. ``policy`` learns; ``reference`` is frozen.

    ``publish`` hands the policy's weights to the engine under a version, before each rollout.
    """

    policy: PreTrainedModel
    reference: PreTrainedModel
    pad_id: int
    prompts: Sequence[Prompt]
    seed: int
    sampling: Sampling
    publish: Callable[[str], None]

    @property
    def restricted(self) -> bool:
        """Whether responses are drawn from other probabilities than the policy's own."""
        return False
