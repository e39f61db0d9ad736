"""Rows of any lengths end to end: no padding goes through a network, but into its attention.

A prompt that several responses share stands once, its responses behind it. A response's tokens
see the prompt and themselves, never another response, and their positions count on from the
prompt's end: every number is the one a row alone would give.

R rows, N tokens, T of them in responses; portions of G groups, W tokens wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from preftune.models.rendering import Row

SPARED = 256
"""So many padded tokens pay for one more portion."""

Ints = NDArray[np.int64]
Group = Sequence[Row]
"""Rows of one prompt."""


class Portion(NamedTuple):
    """Groups of nearly one length, whose tokens attend in a table of [G, W], padded at its end.

    ``into_N``: the places of the real ones of its N tokens in the flattened table; None where it
    is full. ``seen_G1WW`` is True where a query sees a key; None where rows are causal.
    """

    tokens: int
    groups: int
    width: int
    into_N: torch.Tensor | None
    seen_G1WW: torch.Tensor | None

    def table(self, of_tokens: torch.Tensor) -> torch.Tensor:
        """[N, …] as [G, W, …]; 0 at padding."""
        flat = of_tokens
        if self.into_N is not None:
            flat = spread(of_tokens, self.into_N, self.groups * self.width)
        return flat.view(self.groups, self.width, *of_tokens.shape[1:])

    def line(self, of_table: torch.Tensor) -> torch.Tensor:
        """[G, W, …] as [N, …]: what stands in padding is left out."""
        flat = of_table.flatten(0, 1)
        return flat if self.into_N is None else taken(flat, self.into_N)


@dataclass(slots=True)
class Portions:
    """Those of a batch, in its tokens' order. Attention counts how often it was asked."""

    parts: tuple[Portion, ...]
    asked: int = 0

    @property
    def longest(self) -> int:
        return max(part.width for part in self.parts)


class Places(NamedTuple):
    """Some of a batch's N tokens, in an order of their own, some perhaps several times."""

    every: torch.Tensor
    distinct: torch.Tensor
    """The same in the tokens' order, each once."""

    def of(self, states_NH: torch.Tensor) -> torch.Tensor:
        """The states at each of them."""
        if len(self.every) == len(self.distinct):
            return taken(states_NH, self.every)
        return states_NH.index_select(0, self.every)


class Ragged(NamedTuple):
    """Tokens in the order of their groups' lengths; places among them in the rows' own order."""

    ids_N: torch.Tensor
    positions_N: torch.Tensor
    portions: Portions
    before: Places
    """Where the T response tokens are predicted: at the token before, a prompt's last at first."""
    tokens_T: torch.Tensor
    """The response tokens."""
    last: Places
    """Each row's last token, R."""


def ragged_of(groups: Sequence[Group], device: torch.device) -> Ragged:
    """The rows of each group have the same prompt, of at least one token."""
    lengths = [packed_length(rows) for rows in groups]
    order = sorted(range(len(groups)), key=lambda place: (lengths[place], place))
    ids, positions = (
        np.concatenate(told) for told in zip(*(_line(groups[k]) for k in order), strict=True)
    )
    starts = np.empty(len(groups), dtype=np.int64)
    starts[order] = np.cumsum([0, *(lengths[k] for k in order[:-1])])
    before, last = _places(groups, starts)
    tokens = np.concatenate([row.response_ids for rows in groups for row in rows])

    def tensor(numbers: Ints) -> torch.Tensor:
        return torch.from_numpy(numbers.astype(np.int64)).to(device)

    def places(every: Ints) -> Places:
        return Places(tensor(every), tensor(np.unique(every)))

    cuts = portions_of([lengths[k] for k in order], SPARED)
    parts = tuple(_portion([groups[k] for k in order[cut]], tensor) for cut in cuts)
    return Ragged(
        ids_N=tensor(ids),
        positions_N=tensor(positions),
        portions=Portions(parts),
        before=places(before),
        tokens_T=tensor(tokens),
        last=places(last),
    )


def portions_of(lengths: Sequence[int], spared: int) -> list[slice]:
    """Rising lengths cut into portions, each padded to its own longest: those whose tables hold
    fewest tokens, ``spared`` more for each portion."""
    cost, first = np.zeros(len(lengths) + 1), np.zeros(len(lengths) + 1, dtype=int)
    for end in range(1, len(lengths) + 1):
        told = cost[:end] + lengths[end - 1] * (end - np.arange(end)) + spared
        first[end] = told.argmin()
        cost[end] = told[first[end]]
    portions, end = [], len(lengths)
    while end:
        portions.append(slice(int(first[end]), end))
        end = int(first[end])
    return portions[::-1]


def packed_length(rows: Group) -> int:
    """Tokens of a group: the prompt once, then every response."""
    return len(rows[0].prompt_ids) + sum(len(row.response_ids) for row in rows)


def taken(numbers: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """``numbers[places]`` along the first axis, no place twice."""
    picked: torch.Tensor = _Taken.apply(numbers, places)
    return picked


def spread(numbers: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
    """0s with ``numbers`` at these of ``size`` places along the first axis, no place twice."""
    table: torch.Tensor = _Spread.apply(numbers, places, size)
    return table


def _line(rows: Group) -> tuple[Ints, Ints]:
    """A group's ids and their positions."""
    prompt = rows[0].prompt_ids
    sizes = [len(row.response_ids) for row in rows]
    ids = [prompt, *(row.response_ids for row in rows)]
    ranges = [np.arange(len(prompt)), *(np.arange(size) + len(prompt) for size in sizes)]
    return np.concatenate(ids).astype(np.int64), np.concatenate(ranges)


def _places(groups: Sequence[Group], starts: Ints) -> tuple[Ints, Ints]:
    """Of each response token the place before it, and of each row its last."""
    before, last = [], []
    for rows, start in zip(groups, starts, strict=True):
        prompt = end = start + len(rows[0].prompt_ids)
        for row in rows:
            size = len(row.response_ids)
            before.append(np.array([prompt - 1, *range(end, end + size - 1)][:size], np.int64))
            end += size
            last.append(end - 1 if size else prompt - 1)
    return np.concatenate(before), np.array(last)


def _portion(groups: Sequence[Group], tensor: Any) -> Portion:
    lengths = [packed_length(rows) for rows in groups]
    width = max(lengths)
    into = np.concatenate([k * width + np.arange(size) for k, size in enumerate(lengths)])
    full = sum(lengths) == len(lengths) * width
    plain = all(len(rows) == 1 for rows in groups)
    return Portion(
        sum(lengths),
        len(groups),
        width,
        None if full else tensor(into),
        None if plain else seen_segments(tensor(_segments(groups, width))).unsqueeze(1),
    )


def _segments(groups: Sequence[Group], width: int) -> Ints:
    """0 for a prompt, 1, 2, … for its responses, −1 for padding, [G, W]."""
    segments = np.full((len(groups), width), -1, dtype=np.int64)
    for place, rows in enumerate(groups):
        sizes = [len(rows[0].prompt_ids), *(len(row.response_ids) for row in rows)]
        segments[place, : sum(sizes)] = np.repeat(np.arange(len(sizes)), sizes)
    return segments


def seen_segments(segments_BS: torch.Tensor) -> torch.Tensor:
    """Causal; a token sees the prompt (segment 0) and its own segment; padding sees itself."""
    query, key = segments_BS.unsqueeze(2), segments_BS.unsqueeze(1)
    width = segments_BS.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool, device=segments_BS.device).tril()
    return causal & ((query == key) | (key == 0))


class _Taken(torch.autograd.Function):
    """As no place comes twice its gradient is written, not added."""

    @staticmethod
    def forward(ctx: Any, numbers: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(numbers)
        return numbers.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (places,) = ctx.saved_tensors
        return spread(gradient, places, ctx.size), None


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, numbers: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        table = numbers.new_zeros(size, *numbers.shape[1:])
        return table.index_copy_(0, places, numbers)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return taken(gradient, places), None, None
