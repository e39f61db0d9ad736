"""Rows of ids as tensors: prompts end where responses begin, in one column for the whole batch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from preftune.models.packing import Packing, packing_of
from preftune.models.rendering import Row


class Batch(NamedTuple):
    """Prompts padded on the left, responses on the right.

    ``input_ids_BS`` has S = P + T columns, the responses in the last T. Masks are True at real
    tokens. Positions count real tokens from 0.
    """

    input_ids_BS: torch.Tensor
    attention_mask_BS: torch.Tensor
    position_ids_BS: torch.Tensor
    action_mask_BT: torch.Tensor
    packing: Packing | None = None
    """How the rows go through a network without their padding, where there is much of it."""

    @property
    def width(self) -> int:
        """T, the response columns."""
        return self.action_mask_BT.shape[1]

    @property
    def response_ids_BT(self) -> torch.Tensor:
        return self.input_ids_BS[:, self.input_ids_BS.shape[1] - self.width :]

    @property
    def last_index_B(self) -> torch.Tensor:
        """Column of each row's last real token."""
        prompt_columns = self.input_ids_BS.shape[1] - self.width
        return prompt_columns + self.action_mask_BT.sum(-1) - 1


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
    starts = [prompt_width - len(row.prompt_ids) for row in rows]
    packing = packing_of(starts, list(map(len, rows)), ids.shape[1])
    return Batch(
        input_ids_BS=torch.from_numpy(ids).to(device),
        attention_mask_BS=torch.from_numpy(mask).to(device),
        position_ids_BS=torch.from_numpy(positions).to(device),
        action_mask_BT=torch.from_numpy(mask[:, prompt_width:].copy()).to(device),
        packing=None if packing is None else Packing(*(part.to(device) for part in packing)),
    )


def micro_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Indices grouped by length so that rows × longest ≤ ``max_tokens`` (one row at least)."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if groups and (len(groups[-1]) + 1) * lengths[index] <= max_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
