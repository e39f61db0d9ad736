"""A key–value cache in which a prompt stands once, however many rows answer it."""

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from preftune.rollouts.own_tokens import OwnTokens, own_tokens
from preftune.rollouts.prefix_attention import Places, places_of

SPARSE = 0.75
"""Prompts without a row leave when this share of the prompts, or fewer, still have one."""


class PrefixLayer(CacheLayerMixin):
    """One layer's keys and values: of prompts [P, K, W, D], and of what rows have written."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.own: OwnTokens | None = None

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = key_states.contiguous(), value_states.contiguous()
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The prompts the first time, then a token of every row.

        For the latter nothing is handed back: the shared attention reads this layer, and any
        other attention fails at once.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            return key_states, value_states
        if self.own is None:
            self.own = own_tokens(self.capacity, key_states)
        self.own.write(key_states, value_states)
        return key_states.new_empty(0), value_states.new_empty(0)

    def get_seq_length(self) -> int:
        if not self.is_initialized:
            return 0
        return int(self.keys.shape[-2]) + (0 if self.own is None else self.own.length)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


class PrefixCache(Cache):
    """Prompts, left-padded [P, W], and from :meth:`answer` on the rows that answer them.

    The model gets it as ``past_key_values`` and as ``shared_prefix``, which its attention reads.
    """

    def __init__(self, layers: int, mask_PW: torch.Tensor, capacity: int) -> None:
        self._layers = [PrefixLayer(capacity) for _ in range(layers)]
        super().__init__(layers=list(self._layers))
        self.hidden_P11W = None if bool(mask_PW.all()) else ~mask_PW[:, None, None, :]
        self.places: Places | None = None
        self._prompt_of_row = np.arange(len(mask_PW))

    def answer(self, prompt_of_row: np.ndarray) -> None:
        """From now on these are the rows, [B], each with the number of its prompt."""
        self._prompt_of_row = prompt_of_row
        layer = self._layers[0]
        self.places = places_of(prompt_of_row, len(layer.keys), layer.device)

    def keep(self, rows: torch.Tensor) -> None:
        """These rows, in this order; a prompt that has none left goes sooner or later."""
        prompt_of_row = self._prompt_of_row[rows.cpu().numpy()]
        for layer in self._layers:
            if layer.own is not None:
                layer.own.keep(rows)
        used, renumbered = np.unique(prompt_of_row, return_inverse=True)
        if len(used) <= SPARSE * len(self._layers[0].keys):
            self._keep_prompts(torch.from_numpy(used).to(rows.device))
            prompt_of_row = renumbered
        self.answer(prompt_of_row)

    def _keep_prompts(self, prompts: torch.Tensor) -> None:
        for layer in self._layers:
            layer.keys = layer.keys.index_select(0, prompts)
            layer.values = layer.values.index_select(0, prompts)
        if self.hidden_P11W is not None:
            self.hidden_P11W = self.hidden_P11W.index_select(0, prompts)

    def layer(self, index: int) -> PrefixLayer:
        return self._layers[index]
