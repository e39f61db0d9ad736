"""Rows that have their prompt to themselves: what a row writes stands behind its prompt.

One slab a portion and layer, so that attention is one softmax over both. Where a row has ended, the
last one of its portion takes its place: whatever ends, little has to move.
"""

from collections.abc import Sequence

import numpy as np
import torch

from preftune.rollouts.rows import Prompts, one_after_another, within, worth_moving


class LoneRows:
    """See :class:`preftune.rollouts.rows.Rows`; each portion of prompts has its own width.

    Slabs hold rows and their K heads of keys as one axis, N = P K of a portion's P rows.
    """

    shrink = 1.0
    """Moves when this share of the rows, or fewer, are still writing."""
    refill = 0.5
    """Prompts that wait are read many at once, and there are few waves."""

    def __init__(
        self, prompts: Prompts, hidden_PW: Sequence[torch.Tensor | None], capacity: int
    ) -> None:
        like_PKWD = prompts[0][0][0]
        self._heads = like_PKWD.shape[1]
        self._masks = [
            None if hidden is None else _mask(hidden, capacity, like_PKWD) for hidden in hidden_PW
        ]
        self._slabs = [_emptied(layer, capacity) for layer in prompts]
        self._portions = self._placed()

    def write(self, layer: int, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        for slab, rows in zip(self._slabs[layer], self._portions, strict=True):
            slab.write(keys_BK1D[rows, :, 0], values_BK1D[rows, :, 0])

    def attend(self, layer: int, queries_BKGD: torch.Tensor) -> torch.Tensor:
        queries = queries_BKGD.flatten(0, 1)
        portions = zip(self._slabs[layer], self._masks, self._portions, strict=True)
        read = [slab.attend(queries[self._places(rows)], mask) for slab, mask, rows in portions]
        return (read[0] if len(read) == 1 else torch.cat(read)).view(queries_BKGD.shape)

    @property
    def count(self) -> int:
        return self._portions[-1].stop

    def moves(self, live_B: np.ndarray) -> bool:
        return worth_moving(live_B, self.shrink)

    def order(self, live_B: np.ndarray) -> np.ndarray:
        return np.concatenate([rows.start + filled(live_B[rows]) for rows in self._portions])

    def keep(self, rows: np.ndarray) -> None:
        kept = [within(rows, portion) for portion in self._portions]
        used = [portion for portion, own in enumerate(kept) if len(own)]
        places = [(own[:, None] * self._heads + np.arange(self._heads)).ravel() for own in kept]
        for slabs in self._slabs:
            slabs[:] = [slabs[portion] for portion in used]
            for slab, portion in zip(slabs, used, strict=True):
                slab.keep(places[portion])
        masks = [self._masks[portion] for portion in used]
        self._masks = [
            None if mask is None else _taken(mask, places[portion])
            for mask, portion in zip(masks, used, strict=True)
        ]
        self._portions = self._placed()

    def tokens(self) -> int:
        return max(slab.length for slab in self._slabs[0])

    def _placed(self) -> list[slice]:
        """The rows of each portion."""
        return one_after_another([len(slab.keys) // self._heads for slab in self._slabs[0]])

    def _places(self, rows: slice) -> slice:
        """Where these rows are on the axis of rows and heads."""
        return slice(rows.start * self._heads, rows.stop * self._heads)


class _Slab:
    """Keys and values of one portion, [N, W + capacity, D]."""

    def __init__(self, keys_PKWD: torch.Tensor, values_PKWD: torch.Tensor, capacity: int) -> None:
        self.length = keys_PKWD.shape[2]
        self.keys = _with_room(keys_PKWD, capacity)
        self.values = _with_room(values_PKWD, capacity)

    def write(self, keys_PKD: torch.Tensor, values_PKD: torch.Tensor) -> None:
        self.keys[:, self.length].view(keys_PKD.shape).copy_(keys_PKD)
        self.values[:, self.length].view(values_PKD.shape).copy_(values_PKD)
        self.length += 1

    def attend(self, queries_NGD: torch.Tensor, mask_N1C: torch.Tensor | None) -> torch.Tensor:
        keys_NDC = self.keys[:, : self.length].mT
        if mask_N1C is None:
            scores = torch.bmm(queries_NGD, keys_NDC)
        else:
            scores = torch.baddbmm(mask_N1C[..., : self.length], queries_NGD, keys_NDC)
        weights = scores.softmax(-1, dtype=torch.float32).to(self.values.dtype)
        return torch.bmm(weights, self.values[:, : self.length])

    def keep(self, places: np.ndarray) -> None:
        self.keys = _taken(self.keys, places, self.length)
        self.values = _taken(self.values, places, self.length)


def _emptied(portions: list[tuple[torch.Tensor, torch.Tensor]], capacity: int) -> list[_Slab]:
    """Slabs of these keys and values, which are let go one by one: they would stand twice."""
    return [_Slab(*portions.pop(0), capacity) for _ in range(len(portions))]


def filled(live_B: np.ndarray) -> np.ndarray:
    """The live rows, the last of them in the places of those that have ended."""
    count = int(live_B.sum())
    rows = np.arange(count)
    rows[~live_B[:count]] = count + np.flatnonzero(live_B[count:])
    return rows


def _taken(table: torch.Tensor, places: np.ndarray, length: int | None = None) -> torch.Tensor:
    """The table's first places, each now what stood at ``places``, up to ``length``; in place,
    as no place is both read and written."""
    moved = np.flatnonzero(places != np.arange(len(places)))
    if len(moved):
        into, out_of = (torch.from_numpy(a).to(table.device) for a in (moved, places[moved]))
        used = table[:, :length]
        used[into] = used[out_of]
    return table[: len(places)]


def _with_room(prompts_PKWD: torch.Tensor, capacity: int) -> torch.Tensor:
    count, heads, width, size = prompts_PKWD.shape
    slab = prompts_PKWD.new_empty(count * heads, width + capacity, size)
    slab[:, :width] = prompts_PKWD.flatten(0, 1)
    return slab


def _mask(hidden_PW: torch.Tensor, capacity: int, like_PKWD: torch.Tensor) -> torch.Tensor:
    """What is added to scores, [N, 1, W + capacity]: −∞ at columns that are no tokens."""
    count, width = hidden_PW.shape
    mask = like_PKWD.new_zeros(count, 1, width + capacity)
    mask[:, 0, :width].masked_fill_(hidden_PW, float("-inf"))
    return mask.repeat_interleave(like_PKWD.shape[1], 0)
