"""Rows that have their prompt to themselves: what a row writes stands behind its prompt.

One slab a portion and layer, so that attention is one softmax over both. Where a row has ended, the
last one of its portion takes its place: whatever ends, little has to move.
"""

from collections.abc import Sequence

import numpy as np
import torch

from preftune.rollouts.rows import Prompts


class LoneRows:
    """See :class:`preftune.rollouts.rows.Rows`; each portion of prompts has its own width."""

    shrink = 1.0

    def __init__(
        self, prompts: Prompts, hidden_PW: Sequence[torch.Tensor | None], capacity: int
    ) -> None:
        self._slabs = [_emptied(layer, capacity) for layer in prompts]
        self._masks = [None if one is None else _mask(one, capacity) for one in hidden_PW]
        self._portions = self._placed()

    def write(self, layer: int, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        for slab, rows in zip(self._slabs[layer], self._portions, strict=True):
            slab.write(keys_BK1D[rows, :, 0], values_BK1D[rows, :, 0])

    def attend(self, layer: int, queries_BKGD: torch.Tensor) -> torch.Tensor:
        portions = zip(self._slabs[layer], self._masks, self._portions, strict=True)
        read = [slab.attend(queries_BKGD[rows], mask) for slab, mask, rows in portions]
        return read[0] if len(read) == 1 else torch.cat(read)

    def order(self, live_B: np.ndarray) -> np.ndarray:
        return np.concatenate([rows.start + filled(live_B[rows]) for rows in self._portions])

    def keep(self, rows: np.ndarray) -> None:
        kept = [rows[(rows >= p.start) & (rows < p.stop)] - p.start for p in self._portions]
        used = [portion for portion, own in enumerate(kept) if len(own)]
        for slabs in self._slabs:
            slabs[:] = [slabs[portion] for portion in used]
            for slab, portion in zip(slabs, used, strict=True):
                slab.keep(kept[portion])
        self._masks = [self._masks[portion] for portion in used]
        for mask, portion in zip(self._masks, used, strict=True):
            if mask is not None:
                _take_places(mask, kept[portion])
        self._portions = self._placed()

    def tokens(self) -> int:
        return max(slab.length for slab in self._slabs[0])

    def _placed(self) -> list[slice]:
        """The rows of each portion."""
        bounds = np.cumsum([0, *(slab.rows for slab in self._slabs[0])]).tolist()
        return [slice(*pair) for pair in zip(bounds[:-1], bounds[1:], strict=True)]


class _Slab:
    """Keys and values of one portion, [P, K, W + capacity, D]; the first ``rows`` of P are used."""

    def __init__(self, keys_PKWD: torch.Tensor, values_PKWD: torch.Tensor, capacity: int) -> None:
        self.rows, self.length = keys_PKWD.shape[0], keys_PKWD.shape[2]
        self.keys = _with_room(keys_PKWD, capacity)
        self.values = _with_room(values_PKWD, capacity)

    def write(self, keys_BKD: torch.Tensor, values_BKD: torch.Tensor) -> None:
        self.keys[: self.rows, :, self.length] = keys_BKD
        self.values[: self.rows, :, self.length] = values_BKD
        self.length += 1

    def attend(self, queries_BKGD: torch.Tensor, mask_P11C: torch.Tensor | None) -> torch.Tensor:
        keys = self.keys[: self.rows, :, : self.length]
        values = self.values[: self.rows, :, : self.length]
        scores = queries_BKGD @ keys.transpose(-1, -2)
        if mask_P11C is not None:
            scores += mask_P11C[: self.rows, :, :, : self.length]
        weights = scores.softmax(-1, dtype=torch.float32).to(values.dtype)
        return weights @ values

    def keep(self, rows: np.ndarray) -> None:
        for slab in (self.keys, self.values):
            _take_places(slab[:, :, : self.length], rows)
        self.rows = len(rows)


def _emptied(portions: list[tuple[torch.Tensor, torch.Tensor]], capacity: int) -> list[_Slab]:
    """Slabs of these keys and values, which are let go one by one: they would stand twice."""
    return [_Slab(*portions.pop(0), capacity) for _ in range(len(portions))]


def filled(live_B: np.ndarray) -> np.ndarray:
    """The live rows, the last of them in the places of those that have ended."""
    count = int(live_B.sum())
    rows = np.arange(count)
    rows[~live_B[:count]] = count + np.flatnonzero(live_B[count:])
    return rows


def _take_places(table: torch.Tensor, rows: np.ndarray) -> None:
    """``table[i] = table[rows[i]]`` in place, where no row is both read and written."""
    places = np.flatnonzero(rows != np.arange(len(rows)))
    if len(places):
        into, moved = (torch.from_numpy(a).to(table.device) for a in (places, rows[places]))
        table[into] = table[moved]


def _with_room(prompts_PKWD: torch.Tensor, capacity: int) -> torch.Tensor:
    count, heads, width, size = prompts_PKWD.shape
    slab = prompts_PKWD.new_empty(count, heads, width + capacity, size)
    slab[:, :, :width] = prompts_PKWD
    return slab


def _mask(hidden_PW: torch.Tensor, capacity: int) -> torch.Tensor:
    """What is added to scores, [P, 1, 1, W + capacity]: −∞ at columns that are no tokens."""
    count, width = hidden_PW.shape
    mask = torch.zeros(count, 1, 1, width + capacity, device=hidden_PW.device)
    mask[:, 0, 0, :width].masked_fill_(hidden_PW, float("-inf"))
    return mask
