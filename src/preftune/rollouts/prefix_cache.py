"""A key–value cache in which a prompt stands once, however many rows answer it.

Prompts come in portions of nearly one length, each padded by itself, so that what is read at
every token is hardly longer than the prompts are.
"""

from collections.abc import Sequence

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from preftune.rollouts.own_tokens import OwnTokens, own_tokens
from preftune.rollouts.prefix_attention import Portion, places_of

SPARSE = 0.75
"""Prompts without a row leave when this share of a portion, or less, still has one."""


class PrefixLayer(CacheLayerMixin):
    """One layer's keys and values: of portions of prompts, each [P, K, W, D], and of rows."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.prompts: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.own: OwnTokens | None = None
        self.answering = False

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Portions of prompts one after the other, then a token of every row.

        For the latter nothing is handed back: the shared attention reads this layer, and any
        other attention fails at once.
        """
        self.lazy_initialization(key_states, value_states)
        if not self.answering:
            self.prompts.append((key_states.contiguous(), value_states.contiguous()))
            return key_states, value_states
        if self.own is None:
            self.own = own_tokens(self.capacity, key_states)
        self.own.write(key_states, value_states)
        return key_states.new_empty(0), value_states.new_empty(0)

    def keep_prompts(self, portion: int, prompts: torch.Tensor) -> None:
        """These prompts of a portion."""
        keys, values = self.prompts[portion]
        self.prompts[portion] = keys.index_select(0, prompts), values.index_select(0, prompts)

    def get_seq_length(self) -> int:
        """0 for a portion that is being read: no portion sees another."""
        if not self.answering:
            return 0
        longest = max(keys.shape[-2] for keys, _ in self.prompts)
        return int(longest) + (0 if self.own is None else self.own.length)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


class PrefixCache(Cache):
    """Portions of prompts, left-padded [P, W], and from :meth:`answer` on the rows that answer.

    The model gets it as ``past_key_values`` and as ``shared_prefix``, which its attention reads.
    """

    def __init__(self, layers: int, masks_PW: Sequence[torch.Tensor], capacity: int) -> None:
        self._layers = [PrefixLayer(capacity) for _ in range(layers)]
        super().__init__(layers=list(self._layers))
        self.portions: list[Portion] = []
        self._hidden = [None if bool(m.all()) else ~m[:, None, None, :] for m in masks_PW]
        self._sizes = [len(mask) for mask in masks_PW]
        self._prompt_of_row = np.arange(sum(self._sizes))

    def answer(self, prompt_of_row: np.ndarray) -> None:
        """From now on these are the rows, [B], each with the number of its prompt, ascending."""
        assert (np.diff(prompt_of_row) >= 0).all()
        for layer in self._layers:
            layer.answering = True
        self._prompt_of_row = prompt_of_row
        self._place()

    def keep(self, rows: torch.Tensor) -> None:
        """These rows, in their order; a prompt that has none left goes sooner or later."""
        for layer in self._layers:
            if layer.own is not None:
                layer.own.keep(rows)
        prompt_of_row = self._prompt_of_row[rows.cpu().numpy()]
        kept: list[np.ndarray] = []
        firsts = np.cumsum([0, *self._sizes])
        for portion, of_portion in reversed(list(enumerate(self._rows_of(prompt_of_row)))):
            prompts = prompt_of_row[of_portion] - firsts[portion]
            used, renumbered = np.unique(prompts, return_inverse=True)
            if len(used) <= SPARSE * self._sizes[portion]:
                self._keep_prompts(portion, torch.from_numpy(used).to(rows.device))
                prompts = renumbered
            if len(used):
                kept.insert(0, prompts)
        firsts = np.cumsum([0, *self._sizes])
        self._prompt_of_row = np.concatenate(
            [prompts + first for prompts, first in zip(kept, firsts, strict=False)]
        )
        self._place()

    def _keep_prompts(self, portion: int, prompts: torch.Tensor) -> None:
        """These prompts of a portion; without any the portion itself goes."""
        if not len(prompts):
            for layer in self._layers:
                del layer.prompts[portion]
            del self._hidden[portion], self._sizes[portion]
            return
        for layer in self._layers:
            layer.keep_prompts(portion, prompts)
        hidden = self._hidden[portion]
        self._hidden[portion] = None if hidden is None else hidden.index_select(0, prompts)
        self._sizes[portion] = len(prompts)

    def _rows_of(self, prompt_of_row: np.ndarray) -> list[slice]:
        """The rows of each portion."""
        bounds = np.searchsorted(prompt_of_row, np.cumsum([0, *self._sizes]))
        return [slice(*pair) for pair in zip(bounds[:-1], bounds[1:], strict=True)]

    def _place(self) -> None:
        firsts, device = np.cumsum([0, *self._sizes]), self._layers[0].device
        self.portions = [
            Portion(rows, hidden, places_of(self._prompt_of_row[rows] - first, size, device))
            for rows, hidden, first, size in zip(
                self._rows_of(self._prompt_of_row),
                self._hidden,
                firsts[:-1],
                self._sizes,
                strict=True,
            )
        ]

    def layer(self, index: int) -> PrefixLayer:
        return self._layers[index]
