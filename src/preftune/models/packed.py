"""Rows of any prompts end to end in few sequences: hardly any padding goes through the network.

A row's tokens see their own row alone and their positions count from its start, so every number
is the one a row alone would give.
"""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.models.adapters import reading
from preftune.models.language_head import plain_head, read_logits, read_tokens
from preftune.models.networks import hidden_states, seen_mask
from preftune.models.packing import bins, seen_segments
from preftune.models.rendering import Row


def packed_logprobs(
    policy: PreTrainedModel, rows: Sequence[Row], width: int, pad_id: int
) -> torch.Tensor:
    """Log-probability of every response token of every row, [N] in nats, in no order.

    ``width``: columns of a sequence; a row must fit into one.
    """
    sequences = [[rows[index] for index in places] for places in bins(list(map(len, rows)), width)]
    columns = max(sum(map(len, sequence)) for sequence in sequences)
    ids = np.full((len(sequences), columns), pad_id, dtype=np.int64)
    positions, segments = np.zeros_like(ids), np.full_like(ids, -1)
    asked: list[int] = []
    for place, sequence in enumerate(sequences):
        end = 0
        for segment, row in enumerate(sequence, start=1):
            start, end = end, end + len(row)
            ids[place, start:end] = row.prompt_ids + row.response_ids
            positions[place, start:end] = range(len(row))
            segments[place, start:end] = segment
            before = place * columns + start + len(row.prompt_ids) - 1
            asked += range(before, before + len(row.response_ids))
    ids_BS, positions_BS, segments_BS, asked_N = (
        torch.as_tensor(part, device=policy.device)
        for part in (ids, positions, segments, np.array(asked))
    )
    return _logprobs(policy, ids_BS, positions_BS, segments_BS, asked_N)


def _logprobs(
    policy: PreTrainedModel,
    ids_BS: torch.Tensor,
    positions_BS: torch.Tensor,
    segments_BS: torch.Tensor,
    asked_N: torch.Tensor,
) -> torch.Tensor:
    """``asked_N``: places in the flattened ids whose states predict the id that follows."""
    mask = seen_segments(segments_BS).unsqueeze(1)
    tokens_N = ids_BS.flatten()[asked_N + 1]
    if plain_head(policy) is not None:
        states = hidden_states(policy, ids_BS, mask, positions_BS)
        states_NH = states.flatten(0, 1).index_select(0, asked_N)
        return read_tokens(policy, states_NH, tokens_N, 1.0, None).logprobs_N
    with reading(policy):
        logits = policy(
            input_ids=ids_BS,
            attention_mask=seen_mask(policy, mask),
            position_ids=positions_BS,
            use_cache=False,
        ).logits
    logits_NV = logits.flatten(0, 1).index_select(0, asked_N)
    return read_logits(logits_NV, tokens_N, 1.0, None).logprobs_N
