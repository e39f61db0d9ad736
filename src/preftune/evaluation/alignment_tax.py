"""What tuning cost on ordinary text: the loss on held-out documents, before and after."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from transformers import PreTrainedModel

from preftune.maths.masked import masked_sum
from preftune.models import Row, collate, micro_batches, response_logprobs
from preftune.records import BadInput, Estimate
from preftune.stats import mean_estimate


@torch.no_grad()
def text_nats(
    policy: PreTrainedModel, rows: Sequence[Row], *, pad_id: int, micro_batch_tokens: int = 8192
) -> list[float]:
    """−log π of each row's response given its prompt, in nats, at temperature 1."""
    policy.eval()
    found = [0.0] * len(rows)
    for indices in micro_batches([len(row) for row in rows], micro_batch_tokens):
        batch = collate([rows[i] for i in indices], pad_id, policy.device)
        logprobs_BT = response_logprobs(policy, batch, temperature=1.0)
        for place, index in enumerate(indices):
            one = slice(place, place + 1)
            total = masked_sum(values_BT=logprobs_BT[one], mask_BT=batch.action_mask_BT[one])
            found[index] = -float(total)
    return found


def nats_a_token(nats: ArrayLike, tokens: ArrayLike) -> Estimate:
    """Σ nats / Σ tokens over documents, with the interval of a ratio.

    r = Σ N_i / Σ T_i; its variance is that of the mean of (N_i − r T_i) / mean(T), the documents
    being the independent units (the ratio estimator's linearisation).
    """
    n, t = np.asarray(nats, dtype=np.float64), np.asarray(tokens, dtype=np.float64)
    if n.shape != t.shape or n.size == 0 or float(t.sum()) <= 0:
        raise BadInput("A loss needs documents with tokens, one number of nats for each.")
    ratio = float(n.sum() / t.sum())
    around = mean_estimate((n - ratio * t) / t.mean())
    return Estimate(ratio, ratio + around.low, ratio + around.high, around.count)
