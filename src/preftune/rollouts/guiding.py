"""The logits of the next token, plain or guided by the values beside the policy."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from preftune.maths.losses.ilql import guided_logits
from preftune.models import ValueHeads
from preftune.records import BadInput, Sampling


@dataclass(frozen=True, slots=True)
class Reader:
    """A policy that is asked for its next token; ``heads`` where it has values."""

    policy: PreTrainedModel
    heads: ValueHeads | None = None

    def next_logits(self, sampling: Sampling, **reading: Any) -> torch.Tensor:
        """[B, V]; log π + β (Q − V) where the sampling asks for guidance.

        ``reading`` goes to the network as it is. Raises :class:`BadInput` for guidance without
        heads.
        """
        strength = sampling.value_guidance
        if strength == 0:
            return self.policy(**reading, use_cache=True, logits_to_keep=1).logits[:, -1]
        if self.heads is None:
            raise BadInput(
                "This model has no value heads to guide its decoding.",
                remedy="Name a model that an ilql stage made, or leave value_guidance out.",
            )
        output = self.policy(**reading, use_cache=True, logits_to_keep=1, output_hidden_states=True)
        state = output.hidden_states[-1][:, -1]
        return guided_logits(
            logits_BV=output.logits[:, -1],
            q_BV=self.heads.slow_q_values(state),
            values_B=self.heads.values(state),
            strength=strength,
        )
