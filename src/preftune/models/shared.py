"""Rows of any prompts read in as few tokens as can be: a prompt that rows share is read once."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.models.batches import collate, micro_batches, response_places
from preftune.models.heads import steps_of
from preftune.models.networks import TokenStatistics, read_responses, scores, scores_of
from preftune.models.passes import reads_end_to_end
from preftune.models.ragged import packed_length, ragged_of, spread
from preftune.models.rendering import Row

LONGEST = 1024
"""Rows that would make a longer packed sequence stay apart: attention grows with its square."""


def scores_of_rows(
    model: PreTrainedModel, rows: Sequence[Row], max_tokens: int, dropout: float = 0.0
) -> torch.Tensor:
    """The score of each row, [B], in the rows' order; a prompt that rows share is read once.

    So is a row that comes several times, as an answer does that was compared with several others.
    A model that scores steps reads every row alone: it needs more of it than the last token.
    At most ``max_tokens`` tokens go through the network at once (one group at least).
    """

    def of_groups(groups: Sequence[Sequence[Row]]) -> torch.Tensor:
        if steps_of(model.config) is None:
            return scores_of(model, ragged_of(groups, model.device), dropout)
        return scores(model, collate([row for (row,) in groups], 0, model.device), dropout)

    share = steps_of(model.config) is None and shares_prompts(model)
    return _read_once(rows, max_tokens, share, of_groups)


def logprobs_of_rows(policy: PreTrainedModel, rows: Sequence[Row], max_tokens: int) -> torch.Tensor:
    """log π(y|x) of each row's response, its end token included, [B], in nats a response.

    As in :func:`scores_of_rows`, prompts that rows share and rows that are equal are read once.
    """

    def of_groups(groups: Sequence[Sequence[Row]]) -> torch.Tensor:
        told = read_responses(policy, ragged_of(groups, policy.device), 1.0, None).logprobs_N
        sizes = [len(row.response_ids) for group in groups for row in group]
        which = torch.repeat_interleave(torch.tensor(sizes, device=told.device))
        return told.new_zeros(len(sizes)).index_add(0, which, told)

    return _read_once(rows, max_tokens, shares_prompts(policy), of_groups)


def logprobs_at(
    policy: PreTrainedModel, rows: Sequence[Row], temperature: float, share: bool = True
) -> torch.Tensor:
    """As :func:`statistics_of_rows`, log-probabilities alone, [B, T]."""
    return _statistics_of_rows(policy, rows, temperature, share, None).logprobs_BT


def statistics_of_rows(
    policy: PreTrainedModel,
    rows: Sequence[Row],
    temperature: float,
    share: bool = True,
    entropy_learns: bool = False,
) -> TokenStatistics:
    """Log-probability and entropy of each response token, [B, T], in the rows' order, 0 where a
    response has ended.

    With ``share`` a prompt that rows have in common is read once. Log-probabilities carry
    gradient, entropies only where ``entropy_learns``.
    """
    return _statistics_of_rows(policy, rows, temperature, share, entropy_learns)


def shares_prompts(model: PreTrainedModel) -> bool:
    """Whether a prompt is read once for several responses: by a model that reads end to end."""
    return reads_end_to_end(model, LONGEST)


def tokens_read(rows: Sequence[Row], share: bool) -> int:
    """Tokens that go through a network for these rows: equal ones once, with ``share`` a prompt
    once."""
    distinct = list(dict.fromkeys(rows))
    groups = by_prompt(distinct, LONGEST if share else 0)
    return sum(packed_length([distinct[place] for place in group]) for group in groups)


def by_prompt(rows: Sequence[Row], longest: int) -> list[list[int]]:
    """Places of rows that are read together: those of one prompt, while there is room.

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


def dealt_by_prompt(rows: Sequence[Row], count: int) -> list[list[int]]:
    """Places of the rows in at most ``count`` lists, those of one prompt in the same one."""
    places: dict[tuple[int, ...], list[int]] = {}
    for index, row in enumerate(rows):
        places.setdefault(row.prompt_ids, []).append(index)
    of_prompts = list(places.values())
    hands = [of_prompts[k::count] for k in range(min(count, len(of_prompts)))]
    return [[index for of_prompt in hand for index in of_prompt] for hand in hands]


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


def _statistics_of_rows(
    policy: PreTrainedModel,
    rows: Sequence[Row],
    temperature: float,
    share: bool,
    entropy_learns: bool | None,
) -> TokenStatistics:
    """``entropy_learns`` as in :func:`read_responses`."""
    groups = by_prompt(rows, LONGEST if share and shares_prompts(policy) else 0)
    packed = [[rows[index] for index in group] for group in groups]
    told = read_responses(policy, ragged_of(packed, policy.device), temperature, entropy_learns)
    width = max(len(row.response_ids) for row in rows)
    order = (index for group in groups for index in group)
    places = response_places(rows, order, width).to(policy.device)
    logprobs_BT, entropy_BT = (
        spread(part_N, places, len(rows) * width).view(len(rows), width) for part_N in told
    )
    return TokenStatistics(logprobs_BT, entropy_BT if entropy_learns else entropy_BT.detach())
