"""How far a policy is from its reference, on its own samples."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from preftune.maths.kl import k1
from preftune.maths.masked import masked_sum
from preftune.models import Row, collate, micro_batches, response_logprobs
from preftune.records import Completion, Estimate
from preftune.stats import mean_estimate


@torch.no_grad()
def kl_to_reference(
    policy: PreTrainedModel,
    reference: PreTrainedModel,
    completions: Sequence[Completion],
    *,
    pad_id: int,
    temperature: float,
    micro_batch_tokens: int = 8192,
) -> Estimate:
    """Mean over completions of Σ_t log π − log π_ref, in nats a response, clustered by prompt.

    The completions must be the policy's own, drawn at ``temperature``: k1 is then unbiased.
    """
    rows = [Row(c.prompt_token_ids, c.token_ids) for c in completions]
    kls = [0.0] * len(rows)
    for indices in micro_batches([len(row) for row in rows], micro_batch_tokens):
        batch = collate([rows[i] for i in indices], pad_id, policy.device)
        difference = k1(
            logprobs_BT=response_logprobs(policy, batch, temperature),
            reference_logprobs_BT=response_logprobs(reference, batch, temperature),
        )
        for row, index in enumerate(indices):
            kls[index] = float(
                masked_sum(
                    values_BT=difference[row : row + 1],
                    mask_BT=batch.action_mask_BT[row : row + 1],
                )
            )
    return mean_estimate(kls, [c.prompt.id for c in completions])


@torch.no_grad()
def sampled_kl(
    reference: PreTrainedModel,
    completions: Sequence[Completion],
    *,
    pad_id: int,
    temperature: float,
    micro_batch_tokens: int = 8192,
) -> Estimate:
    """The same for what was really sampled from: the completions' own log-probabilities count.

    With guided decoding, top-k or top-p that is another distribution than the policy's.
    """
    rows = [Row(c.prompt_token_ids, c.token_ids) for c in completions]
    kls = [sum(completion.logprobs) for completion in completions]
    for indices in micro_batches([len(row) for row in rows], micro_batch_tokens):
        batch = collate([rows[i] for i in indices], pad_id, reference.device)
        logprobs = response_logprobs(reference, batch, temperature)
        kept = torch.where(batch.action_mask_BT, logprobs, logprobs.new_zeros(()))
        for index, total in zip(indices, kept.double().sum(-1).tolist(), strict=True):
            kls[index] -= total
    return mean_estimate(kls, [c.prompt.id for c in completions])
