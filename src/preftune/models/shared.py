"""Responses to one prompt in one sequence: the prompt goes through the network once.

A packed sequence is the prompt followed by each of its responses. A response's tokens see the
prompt and themselves, never another response, and their positions count on from the prompt's
end, so every number is the one a row alone would give.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.maths.head_logprobs import HeadStatistics
from preftune.maths.logprobs import response_sums
from preftune.models.adapters import reading
from preftune.models.batches import collate, micro_batches
from preftune.models.heads import steps_of
from preftune.models.language_head import plain_head, read_logits, read_tokens
from preftune.models.networks import (
    TokenStatistics,
    hidden_states,
    read_scores,
    response_logprobs,
    response_statistics,
    scores,
    seen_mask,
)
from preftune.models.packing import seen_segments
from preftune.models.rendering import Row

LONGEST = 1024
"""Rows that would make a longer packed sequence stay apart: attention grows with its square."""


class SharedBatch(NamedTuple):
    """B packed sequences of S columns, padded on the right.

    ``attention_BSS`` is True where a query (first S) sees a key. ``last_N2`` are the sequence and
    the column of each response's last token, for the N responses in their groups' order.
    """

    input_ids_BS: torch.Tensor
    position_ids_BS: torch.Tensor
    attention_BSS: torch.Tensor
    last_N2: torch.Tensor


def collate_shared(
    groups: Sequence[Sequence[Row]], pad_id: int, device: torch.device
) -> SharedBatch:
    """Packs each group of rows; the rows of a group have the same prompt."""
    width = max(packed_length(rows) for rows in groups)
    ids = np.full((len(groups), width), pad_id, dtype=np.int64)
    positions = np.zeros_like(ids)
    segments = np.full_like(ids, -1)
    last: list[tuple[int, int]] = []
    for place, rows in enumerate(groups):
        prompt = rows[0].prompt_ids
        end = len(prompt)
        ids[place, :end], positions[place, :end], segments[place, :end] = prompt, range(end), 0
        for segment, row in enumerate(rows, start=1):
            start, end = end, end + len(row.response_ids)
            ids[place, start:end] = row.response_ids
            positions[place, start:end] = range(len(prompt), len(row))
            segments[place, start:end] = segment
            last.append((place, end - 1))
    return SharedBatch(
        input_ids_BS=torch.from_numpy(ids).to(device),
        position_ids_BS=torch.from_numpy(positions).to(device),
        attention_BSS=seen_segments(torch.from_numpy(segments).to(device)),
        last_N2=torch.tensor(last, device=device),
    )


def scores_of_rows(
    model: PreTrainedModel,
    rows: Sequence[Row],
    pad_id: int,
    max_tokens: int,
    dropout: float = 0.0,
) -> torch.Tensor:
    """The score of each row, [B], in the rows' order; a prompt that rows share is read once.

    So is a row that comes several times, as an answer does that was compared with several others.
    A model that scores steps reads every row alone: it needs more of it than the last token.
    At most ``max_tokens`` padded tokens go through the network at once (one group at least).
    """
    share = steps_of(model.config) is None
    return _read_once(
        rows, max_tokens, share, lambda groups: _scores(model, groups, pad_id, dropout)
    )


def logprobs_of_rows(
    policy: PreTrainedModel, rows: Sequence[Row], pad_id: int, max_tokens: int
) -> torch.Tensor:
    """log π(y|x) of each row's response, its end token included, [B], in nats a response.

    As in :func:`scores_of_rows`, prompts that rows share and rows that are equal are read once.
    """
    return _read_once(rows, max_tokens, True, lambda groups: _logprobs(policy, groups, pad_id))


def logprobs_at(
    policy: PreTrainedModel,
    rows: Sequence[Row],
    pad_id: int,
    temperature: float,
    share: bool = True,
) -> torch.Tensor:
    """As :func:`statistics_of_rows`, log-probabilities alone, [B, T]."""
    return _statistics_of_rows(policy, rows, pad_id, temperature, share, None).logprobs_BT


def statistics_of_rows(
    policy: PreTrainedModel,
    rows: Sequence[Row],
    pad_id: int,
    temperature: float,
    share: bool = True,
    entropy_learns: bool = False,
) -> TokenStatistics:
    """Log-probability and entropy of each response token, [B, T], in the rows' order.

    With ``share`` a prompt that rows have in common is read once; masked entries hold anything
    finite. Log-probabilities carry gradient, entropies only where ``entropy_learns``.
    """
    return _statistics_of_rows(policy, rows, pad_id, temperature, share, entropy_learns)


def _statistics_of_rows(
    policy: PreTrainedModel,
    rows: Sequence[Row],
    pad_id: int,
    temperature: float,
    share: bool,
    entropy_learns: bool | None,
) -> TokenStatistics:
    """``entropy_learns`` as in :func:`_token_statistics`."""
    groups = by_prompt(rows, LONGEST if share else 0)
    if len(groups) == len(rows):
        batch = collate(rows, pad_id, policy.device)
        if entropy_learns is None:
            logprobs_BT = response_logprobs(policy, batch, temperature)
            return TokenStatistics(logprobs_BT, torch.zeros_like(logprobs_BT))
        return response_statistics(policy, batch, temperature, entropy_learns)
    packed = [[rows[index] for index in group] for group in groups]
    told = _token_statistics(policy, packed, pad_id, temperature, entropy_learns)
    order = [index for group in groups for index in group]
    places = [(index, t) for index in order for t in range(len(rows[index].response_ids))]
    row_N, column_N = torch.tensor(places, device=policy.device).unbind(1)
    shape = (len(rows), max(len(row.response_ids) for row in rows))
    logprobs_BT, entropy_BT = (
        part_N.new_zeros(shape).index_put((row_N, column_N), part_N) for part_N in told
    )
    return TokenStatistics(logprobs_BT, entropy_BT if entropy_learns else entropy_BT.detach())


def _read_once(
    rows: Sequence[Row],
    max_tokens: int,
    share: bool,
    read: Callable[[Sequence[Sequence[Row]]], torch.Tensor],
) -> torch.Tensor:
    """What ``read`` says of groups of distinct rows, put back into the order of ``rows``, [B]."""
    distinct = {row: place for place, row in enumerate(dict.fromkeys(rows))}
    if len(distinct) < len(rows):
        once = _read_once(list(distinct), max_tokens, share, read)
        return once[torch.tensor([distinct[row] for row in rows], device=once.device)]
    groups = [[index] for index in range(len(rows))]
    if share:
        groups = by_prompt(rows, min(LONGEST, max_tokens))
    packed = [[rows[index] for index in group] for group in groups]
    lengths = [packed_length(group) for group in packed]
    parts: list[torch.Tensor] = []
    order: list[int] = []
    for places in micro_batches(lengths, max_tokens):
        parts.append(read([packed[place] for place in places]))
        order += [index for place in places for index in groups[place]]
    return torch.cat(parts)[torch.tensor(np.argsort(order), device=parts[0].device)]


def by_prompt(rows: Sequence[Row], longest: int) -> list[list[int]]:
    """Places of rows that go into one sequence: those of one prompt, while there is room.

    With ``longest`` 0 every row stays alone.
    """
    groups: dict[tuple[int, ...], list[list[int]]] = {}
    room: dict[tuple[int, ...], int] = {}
    for index, row in enumerate(rows):
        prompt, size = row.prompt_ids, len(row.response_ids)
        if size > room.get(prompt, -1):
            groups.setdefault(prompt, []).append([])
            room[prompt] = longest - len(prompt)
        groups[prompt][-1].append(index)
        room[prompt] -= size
    return [group for of_prompt in groups.values() for group in of_prompt]


def _scores(
    model: PreTrainedModel, groups: Sequence[Sequence[Row]], pad_id: int, dropout: float
) -> torch.Tensor:
    if all(len(group) == 1 for group in groups):
        batch = collate([group[0] for group in groups], pad_id, model.device)
        return scores(model, batch, dropout)
    shared = collate_shared(groups, pad_id, model.device)
    mask = shared.attention_BSS.unsqueeze(1)
    hidden = hidden_states(model, shared.input_ids_BS, mask, shared.position_ids_BS)
    return read_scores(model, hidden[shared.last_N2[:, 0], shared.last_N2[:, 1]], dropout)


def _logprobs(
    policy: PreTrainedModel, groups: Sequence[Sequence[Row]], pad_id: int
) -> torch.Tensor:
    if all(len(group) == 1 for group in groups):
        batch = collate([group[0] for group in groups], pad_id, policy.device)
        return response_sums(
            logprobs_BT=response_logprobs(policy, batch, temperature=1.0),
            action_mask_BT=batch.action_mask_BT,
        )
    told = _token_statistics(policy, groups, pad_id, 1.0, None).logprobs_N
    sizes = [len(row.response_ids) for group in groups for row in group]
    which = torch.repeat_interleave(torch.tensor(sizes, device=told.device))
    return told.new_zeros(len(sizes)).index_add(0, which, told)


def _token_statistics(
    policy: PreTrainedModel,
    groups: Sequence[Sequence[Row]],
    pad_id: int,
    temperature: float,
    entropy_learns: bool | None,
) -> HeadStatistics:
    """Of every response token in the groups' order; ``None``: entropies are not wanted.

    The first token of a response is predicted at its prompt's end, which all of them share.
    """
    shared = collate_shared(groups, pad_id, policy.device)
    width = shared.input_ids_BS.shape[1]
    first = min(len(group[0].prompt_ids) for group in groups) - 1  # no earlier column is asked for
    place, column, token = torch.tensor(_predictions(groups), device=policy.device).unbind(1)
    mask = shared.attention_BSS.unsqueeze(1)
    if plain_head(policy) is not None:
        states = hidden_states(policy, shared.input_ids_BS, mask, shared.position_ids_BS)
        return read_tokens(policy, states[place, column], token, temperature, entropy_learns)
    with reading(policy):
        logits = policy(
            input_ids=shared.input_ids_BS,
            attention_mask=seen_mask(policy, mask),
            position_ids=shared.position_ids_BS,
            logits_to_keep=width - first,
            use_cache=False,
        ).logits
    return read_logits(logits[place, column - first], token, temperature, entropy_learns)


def _predictions(groups: Sequence[Sequence[Row]]) -> list[tuple[int, int, int]]:
    """Of every response token its sequence, the column that predicts it and its id."""
    asked: list[tuple[int, int, int]] = []
    for place, rows in enumerate(groups):
        prompt = end = len(rows[0].prompt_ids)
        for row in rows:
            columns = [prompt - 1, *range(end, end + len(row.response_ids) - 1)]
            asked += [(place, c, t) for c, t in zip(columns, row.response_ids, strict=True)]
            end += len(row.response_ids)
    return asked


def dealt_by_prompt(rows: Sequence[Row], count: int) -> list[list[int]]:
    """Places of the rows in at most ``count`` lists, those of one prompt in the same one."""
    places: dict[tuple[int, ...], list[int]] = {}
    for index, row in enumerate(rows):
        places.setdefault(row.prompt_ids, []).append(index)
    of_prompts = list(places.values())
    hands = [of_prompts[k::count] for k in range(min(count, len(of_prompts)))]
    return [[index for of_prompt in hand for index in of_prompt] for hand in hands]


def packed_length(rows: Sequence[Row]) -> int:
    """Columns of a packed sequence: the prompt once, then every response."""
    return len(rows[0].prompt_ids) + sum(len(row.response_ids) for row in rows)
