"""Rows of ids as tensors: prompts end where responses begin, in one column for the whole batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from preftune.models.ragged import Ragged, ragged_of, spread
from preftune.models.rendering import Row


@dataclass(frozen=True)
class Batch:
    """Prompts padded on the left, responses on the right.

    ``input_ids_BS`` has S = P + T columns, the responses in the last T. Masks are True at real
    tokens. Positions count real tokens from 0. Networks read the same rows end to end.
    """

    rows: Sequence[Row]
    input_ids_BS: torch.Tensor
    attention_mask_BS: torch.Tensor
    position_ids_BS: torch.Tensor
    action_mask_BT: torch.Tensor

    @property
    def width(self) -> int:
        """T, the response columns."""
        return self.action_mask_BT.shape[1]

    @property
    def response_ids_BT(self) -> torch.Tensor:
        return self.input_ids_BS[:, self.input_ids_BS.shape[1] - self.width :]

    @cached_property
    def ragged(self) -> Ragged:
        return ragged_of([[row] for row in self.rows], self.input_ids_BS.device)

    def spread(self, of_tokens: torch.Tensor) -> torch.Tensor:
        """[T, …] of all response tokens, row after row, as a table [B, T, …]; 0 where masked."""
        shape = self.action_mask_BT.shape
        table = spread(of_tokens, self._responses, shape.numel())
        return table.view(*shape, *of_tokens.shape[1:])

    @cached_property
    def _responses(self) -> torch.Tensor:
        places = response_places(self.rows, range(len(self.rows)), self.width)
        return places.to(self.input_ids_BS.device)


def collate(rows: Sequence[Row], pad_id: int, device: torch.device) -> Batch:
    """One batch of rows; every prompt must have at least one token."""
    prompt_width = max(len(row.prompt_ids) for row in rows)
    width = max(len(row.response_ids) for row in rows)
    ids = np.full((len(rows), prompt_width + width), pad_id, dtype=np.int64)
    mask = np.zeros(ids.shape, dtype=bool)
    for index, row in enumerate(rows):
        start = prompt_width - len(row.prompt_ids)
        stop = prompt_width + len(row.response_ids)
        ids[index, start:stop] = row.prompt_ids + row.response_ids
        mask[index, start:stop] = True
    positions = np.maximum(mask.cumsum(-1) - 1, 0)
    return Batch(
        rows,
        input_ids_BS=torch.from_numpy(ids).to(device),
        attention_mask_BS=torch.from_numpy(mask).to(device),
        position_ids_BS=torch.from_numpy(positions).to(device),
        action_mask_BT=torch.from_numpy(mask[:, prompt_width:].copy()).to(device),
    )


def response_places(rows: Sequence[Row], order: Iterable[int], width: int) -> torch.Tensor:
    """Where the response tokens of the rows, taken in this order, stand in a flattened table
    [B, T] of ``width`` T that has the rows in their own."""
    starts = ((index * width, len(rows[index].response_ids)) for index in order)
    return torch.from_numpy(np.concatenate([np.arange(at, at + size) for at, size in starts]))


def micro_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Indices in the order of their lengths, ``max_tokens`` together at most (one row at least)."""
    groups: list[list[int]] = []
    tokens = max_tokens
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        tokens += lengths[index]
        if tokens > max_tokens:
            groups.append([])
            tokens = lengths[index]
        groups[-1].append(index)
    return groups
