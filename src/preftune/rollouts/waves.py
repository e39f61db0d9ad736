"""Rows that began at different times as one set: a wave is what began together.

Products with weights are of all rows at once. Each wave has slabs of its own for what it attends
to, as its rows have all written equally much.
"""

import numpy as np
import torch

from preftune.rollouts.rows import Rows, one_after_another, within


class Waves:
    """See :class:`preftune.rollouts.rows.Rows`; the rows of the waves follow one another."""

    def __init__(self, first: Rows) -> None:
        self._place([first])

    def join(self, rows: Rows) -> None:
        """These begin now, behind all others."""
        self._place([*self._waves, rows])

    @property
    def refill(self) -> float:
        return min(wave.refill for wave in self._waves)

    @property
    def count(self) -> int:
        return self._rows[-1].stop

    def write(self, layer: int, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        for wave, rows in zip(self._waves, self._rows, strict=True):
            wave.write(layer, keys_BK1D[rows], values_BK1D[rows])

    def attend(self, layer: int, queries_BKGD: torch.Tensor) -> torch.Tensor:
        waves = zip(self._waves, self._rows, strict=True)
        return torch.cat([wave.attend(layer, queries_BKGD[rows]) for wave, rows in waves])

    def moves(self, live_B: np.ndarray) -> bool:
        waves = zip(self._waves, self._rows, strict=True)
        return any(wave.moves(live_B[rows]) for wave, rows in waves)

    def order(self, live_B: np.ndarray) -> np.ndarray:
        """A wave that need not move stays as it is."""
        waves = zip(self._waves, self._rows, strict=True)
        return np.concatenate(
            [
                rows.start
                + (wave.order(live) if wave.moves(live := live_B[rows]) else np.arange(wave.count))
                for wave, rows in waves
            ]
        )

    def keep(self, rows: np.ndarray) -> None:
        """A wave without rows is gone."""
        kept = []
        for wave, places in zip(self._waves, self._rows, strict=True):
            own = within(rows, places)
            if len(own):
                wave.keep(own)
                kept.append(wave)
        self._place(kept)

    def tokens(self) -> int:
        return max(wave.tokens() for wave in self._waves)

    def _place(self, waves: list[Rows]) -> None:
        """Now these, and which rows are theirs."""
        self._waves = waves
        self._rows = one_after_another([wave.count for wave in waves])
