"""Rows of which several answer one prompt, whose keys and values stand once for all of them.

Prompts stay where they are, and rows in the order of their prompts, so that only what the rows
wrote themselves moves when some of them end.
"""

from collections.abc import Sequence

import numpy as np
import torch

from preftune.rollouts.own_tokens import OwnTokens, own_tokens
from preftune.rollouts.prefix_attention import Portion, places_of, prefix_attention
from preftune.rollouts.rows import SHRINK, Prompts, worth_moving

SPARSE = 0.75
"""Prompts without a row leave when this share of a portion, or less, still has one."""


class SharedRows:
    """See :class:`preftune.rollouts.rows.Rows`. ``prompt_of_row``, [B], ascends."""

    shrink = SHRINK
    """Moves when this share of the rows, or fewer, are still writing."""
    refill = 0.0
    """Attention to another wave's prompts takes as many small operations as fewer steps save."""

    def __init__(
        self,
        prompts: Prompts,
        hidden_PW: Sequence[torch.Tensor | None],
        capacity: int,
        prompt_of_row: np.ndarray,
    ) -> None:
        assert (np.diff(prompt_of_row) >= 0).all()
        self.prompts = prompts
        self._own: list[OwnTokens | None] = [None] * len(prompts)
        self._capacity = capacity
        self._hidden = [None if one is None else one[:, None, None, :] for one in hidden_PW]
        self._sizes = [len(keys) for keys, _ in prompts[0]]
        self._prompt_of_row = prompt_of_row
        self._portions = self._placed()

    def write(self, layer: int, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        own = self._own[layer] or own_tokens(self._capacity, keys_BK1D)
        self._own[layer] = own
        own.write(keys_BK1D, values_BK1D)

    def attend(self, layer: int, queries_BKGD: torch.Tensor) -> torch.Tensor:
        own = self._own[layer]
        assert own is not None
        return prefix_attention(queries_BKGD, self.prompts[layer], self._portions, own)

    @property
    def count(self) -> int:
        return len(self._prompt_of_row)

    def moves(self, live_B: np.ndarray) -> bool:
        return worth_moving(live_B, self.shrink)

    def order(self, live_B: np.ndarray) -> np.ndarray:
        return np.flatnonzero(live_B)

    def keep(self, rows: np.ndarray) -> None:
        """A prompt that has no row left goes sooner or later."""
        for own in self._own:
            if own is not None:
                own.keep(torch.from_numpy(rows).to(self._device))
        prompt_of_row = self._prompt_of_row[rows]
        kept: list[np.ndarray] = []
        firsts = np.cumsum([0, *self._sizes])
        for portion, of_portion in reversed(list(enumerate(self._rows_of(prompt_of_row)))):
            prompts = prompt_of_row[of_portion] - firsts[portion]
            used, renumbered = np.unique(prompts, return_inverse=True)
            if len(used) <= SPARSE * self._sizes[portion]:
                self._keep_prompts(portion, torch.from_numpy(used).to(self._device))
                prompts = renumbered
            if len(used):
                kept.insert(0, prompts)
        firsts = np.cumsum([0, *self._sizes])
        self._prompt_of_row = np.concatenate(
            [prompts + first for prompts, first in zip(kept, firsts, strict=False)]
        )
        self._portions = self._placed()

    def tokens(self) -> int:
        own = self._own[0]
        longest = max(int(keys.shape[-2]) for keys, _ in self.prompts[0])
        return longest + (0 if own is None else own.length)

    @property
    def _device(self) -> torch.device:
        return self.prompts[0][0][0].device

    def _keep_prompts(self, portion: int, used: torch.Tensor) -> None:
        """These prompts of a portion; without any the portion itself goes."""
        if not len(used):
            for layer in self.prompts:
                del layer[portion]
            del self._hidden[portion], self._sizes[portion]
            return
        for layer in self.prompts:
            keys, values = layer[portion]
            layer[portion] = keys.index_select(0, used), values.index_select(0, used)
        hidden = self._hidden[portion]
        self._hidden[portion] = None if hidden is None else hidden.index_select(0, used)
        self._sizes[portion] = len(used)

    def _rows_of(self, prompt_of_row: np.ndarray) -> list[slice]:
        """The rows of each portion."""
        bounds = np.searchsorted(prompt_of_row, np.cumsum([0, *self._sizes]))
        return [slice(*pair) for pair in zip(bounds[:-1], bounds[1:], strict=True)]

    def _placed(self) -> list[Portion]:
        firsts, device = np.cumsum([0, *self._sizes]), self._device
        return [
            Portion(rows, hidden, places_of(self._prompt_of_row[rows] - first, size, device))
            for rows, hidden, first, size in zip(
                self._rows_of(self._prompt_of_row),
                self._hidden,
                firsts[:-1],
                self._sizes,
                strict=True,
            )
        ]
