"""What a policy has forgotten: its loss on text like the base model's (the alignment tax)."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from preftune.models import Row, collate, micro_batches, response_logprobs
from preftune.records import BadInput, Estimate
from preftune.stats import mean_estimate


@torch.no_grad()
def document_loss(
    policy: PreTrainedModel,
    documents: Sequence[Row],
    *,
    pad_id: int,
    micro_batch_tokens: int = 8192,
) -> Estimate:
    """−log p of a document's next token, mean over all tokens, in nats a token.

    The tokens of a row's response count, its prompt is only read; the interval is clustered by
    document. Ouyang et al. 2022, §4.2, call what RLHF adds to it an alignment tax. Raises
    :class:`BadInput` without documents.
    """
    if not documents:
        raise BadInput("There are no documents to measure the loss on.")
    policy.eval()
    losses: list[float] = []
    which: list[int] = []
    for indices in micro_batches([len(row) for row in documents], micro_batch_tokens):
        batch = collate([documents[i] for i in indices], pad_id, policy.device)
        logprobs_BT = response_logprobs(policy, batch, 1.0)
        for place, index in enumerate(indices):
            own = logprobs_BT[place][batch.action_mask_BT[place]]
            losses += (-own).tolist()
            which += [index] * len(own)
    return mean_estimate(losses, which)
