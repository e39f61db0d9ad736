"""What an older policy allows: NLPO's mask, the same for the sampler and for the loss."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.maths.action_masks import restricted_logits, top_p_set, with_tokens
from preftune.models.batches import Batch
from preftune.models.networks import response_logits


@dataclass(frozen=True, slots=True)
class ActionMask:
    """The top-p set of ``network`` at every position; the tokens of ``always`` are in each."""

    network: PreTrainedModel
    top_p: float
    min_tokens: int
    always: tuple[int, ...]

    def allowed(self, logits_BTV: torch.Tensor, temperature: float) -> torch.Tensor:
        """True where a token may be written, by this network's own logits, [B, T, V]."""
        always_V = torch.zeros(logits_BTV.shape[-1], dtype=torch.bool, device=logits_BTV.device)
        always_V[list(self.always)] = True
        return top_p_set(
            logits_BTV=logits_BTV,
            always_V=always_V,
            temperature=temperature,
            top_p=self.top_p,
            min_tokens=self.min_tokens,
        )


def masked_response_logits(
    policy: PreTrainedModel, mask: ActionMask, batch: Batch, temperature: float
) -> torch.Tensor:
    """The policy's logits of the response tokens, −∞ where the mask forbids, [B, T, V]."""
    with torch.no_grad():
        allowed = mask.allowed(response_logits(mask.network, batch), temperature)
        allowed = with_tokens(allowed_BTV=allowed, tokens_BT=batch.response_ids_BT)
    return restricted_logits(logits_BTV=response_logits(policy, batch), allowed_BTV=allowed)
