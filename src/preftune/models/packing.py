"""Rows end to end in few sequences: where each token goes, and which tokens see each other."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

PADDED = 0.8
"""Rows whose tokens fill less than this share of a padded table go through the network packed."""


class Packing(NamedTuple):
    """A padded batch's tokens in L sequences of W columns.

    Token n of all N stands at ``source_N`` of the flattened batch and at ``place_N`` of the
    flattened sequences. ``segments_LW`` numbers the row that a token belongs to, −1 at padding.
    """

    source_N: torch.Tensor
    place_N: torch.Tensor
    segments_LW: torch.Tensor

    def packed(self, of_batch_BS: torch.Tensor) -> torch.Tensor:
        """A table of the batch's tokens as one of the sequences', [L, W]; 0 at padding."""
        table = of_batch_BS.new_zeros(self.segments_LW.numel())
        table = table.index_copy(0, self.place_N, of_batch_BS.flatten()[self.source_N])
        return table.view(self.segments_LW.shape)

    def spread(self, of_sequences_LWH: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
        """What was computed of every token back in its place, [B, S, H]; 0 at padding."""
        width = of_sequences_LWH.shape[-1]
        states_NH = of_sequences_LWH.flatten(0, 1).index_select(0, self.place_N)
        table = states_NH.new_zeros(rows * columns, width).index_copy(0, self.source_N, states_NH)
        return table.view(rows, columns, width)


def packing_of(starts: Sequence[int], lengths: Sequence[int], columns: int) -> Packing | None:
    """How a batch of rows, ``columns`` wide, each real from its start on, is packed.

    Sequences are as wide as the longest row. None where little would be gained.
    """
    width = max(lengths)
    if sum(lengths) >= PADDED * len(lengths) * columns:
        return None
    sequences = bins(lengths, width)
    segments = np.full((len(sequences), width), -1, dtype=np.int64)
    source, place = [], []
    for number, rows in enumerate(sequences):
        end = 0
        for segment, row in enumerate(rows, start=1):
            first, end = end, end + lengths[row]
            segments[number, first:end] = segment
            place.append(np.arange(number * width + first, number * width + end))
            source.append(row * columns + starts[row] + np.arange(lengths[row]))
    return Packing(
        *map(torch.from_numpy, (np.concatenate(source), np.concatenate(place), segments))
    )


def bins(sizes: Sequence[int], width: int) -> list[list[int]]:
    """Places in bins of ``width``: the largest first, each into the fullest bin it fits in."""
    filled: list[list[int]] = []
    room: list[tuple[int, int]] = []  # what each bin has left and its number, in that order
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place)):
        found = bisect_left(room, (sizes[place], 0))
        left, number = room.pop(found) if found < len(room) else (width, len(filled))
        if number == len(filled):
            filled.append([])
        filled[number].append(place)
        insort(room, (left - sizes[place], number))
    return filled


def seen_segments(segments_BS: torch.Tensor) -> torch.Tensor:
    """Causal; a token sees the prompt (segment 0) and its own segment; padding sees itself."""
    query, key = segments_BS.unsqueeze(2), segments_BS.unsqueeze(1)
    width = segments_BS.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool, device=segments_BS.device).tril()
    return causal & ((query == key) | (key == 0))
