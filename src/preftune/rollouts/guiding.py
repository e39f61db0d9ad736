"""The logits of the next token, plain or guided by the values beside the policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from preftune.maths.action_masks import restricted_logits
from preftune.maths.losses.ilql import guided_logits
from preftune.models import ActionMask, ValueHeads
from preftune.records import BadInput, Sampling
from preftune.rollouts.portions import EndToEnd
from preftune.rollouts.prefix_cache import PrefixCache
from preftune.rollouts.token_pass import token_states


@dataclass(frozen=True, slots=True)
class Reader:
    """A policy that is asked for its next token; ``heads`` where it has values.

    With a ``mask`` two networks read along, each with its own cache.
    """

    policy: PreTrainedModel
    heads: ValueHeads | None = None
    mask: ActionMask | None = None

    @property
    def networks(self) -> list[PreTrainedModel]:
        return [self.policy] if self.mask is None else [self.policy, self.mask.network]

    def masked_logits(self, sampling: Sampling, readings: Sequence[dict[str, Any]]) -> torch.Tensor:
        """:meth:`next_logits`, −∞ where the mask forbids, [B, V]; a reading for each network."""
        logits_BV = self.next_logits(sampling, **readings[0])
        if self.mask is None:
            return logits_BV
        theirs_BV, _ = _read(self.mask.network, readings[1])
        allowed_BTV = self.mask.allowed(theirs_BV.unsqueeze(1), sampling.temperature or 1.0)
        return restricted_logits(logits_BTV=logits_BV.unsqueeze(1), allowed_BTV=allowed_BTV)[:, 0]

    def next_logits(self, sampling: Sampling, **reading: Any) -> torch.Tensor:
        """[B, V]; log π + β (Q − V) where the sampling asks for guidance.

        ``reading`` goes to the network as it is. Raises :class:`BadInput` for guidance without
        heads.
        """
        strength = sampling.value_guidance
        if strength == 0:
            return _read(self.policy, reading)[0]
        if self.heads is None:
            raise BadInput(
                "This model has no value heads to guide its decoding.",
                remedy="Name a model that an ilql stage made, or leave value_guidance out.",
            )
        logits_BV, state_BH = _read(self.policy, reading, output_hidden_states=True)
        return guided_logits(
            logits_BV=logits_BV,
            q_BV=self.heads.slow_q_values(state_BH),
            values_B=self.heads.values(state_BH),
            strength=strength,
        )


def _read(
    network: PreTrainedModel, reading: dict[str, Any], **asked: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the next token, [B, V], and, if asked for, the state they come from, [B, H]."""
    cache = reading.get("shared_prefix")
    if cache is not None and cache.weights is not None:
        state_BH = _own_pass(cache, reading)
        return cache.weights.head.of(state_BH), state_BH
    told = network(**reading, use_cache=True, logits_to_keep=1, **asked)
    logits_BV = told.logits[:, -1]
    return logits_BV, told.hidden_states[-1][:, -1] if asked else logits_BV.new_empty(0)


def _own_pass(cache: PrefixCache, reading: dict[str, Any]) -> torch.Tensor:
    """The state of the last token of every prompt, or of every row's token, [B, H]."""
    ids_BS, positions_BS = reading["input_ids"], reading["position_ids"]
    assert cache.weights is not None
    if cache.rows is not None:
        return token_states(cache.weights, cache.rows, ids_BS[:, 0], positions_BS[:, 0])
    prompts = EndToEnd(cache, reading["attention_mask"])
    ids_N, positions_N = ids_BS[prompts.places], positions_BS[prompts.places]
    return token_states(cache.weights, prompts, ids_N, positions_N)[prompts.last_P]
