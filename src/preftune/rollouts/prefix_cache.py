"""A key–value cache that first reads prompts, then the rows that answer them, token by token.

Prompts come in portions of nearly one length, each padded by itself, so that what is read at
every token is hardly longer than the prompts are.
"""

from collections.abc import Sequence

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from preftune.rollouts.lone_rows import LoneRows
from preftune.rollouts.rows import Prompts, Rows
from preftune.rollouts.shared_rows import SharedRows
from preftune.rollouts.token_weights import TokenWeights
from preftune.rollouts.waves import Waves


class PrefixLayer(CacheLayerMixin):
    """One layer's portions of prompts, each [P, K, W, D], until rows answer them."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.prompts: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.rows: Rows | None = None

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Portions of prompts one after the other, then a token of every row; values in the type
        of the keys, which rotation may have made float32.

        For the latter nothing is handed back: the shared attention asks the rows, and any other
        attention fails at once.
        """
        self.lazy_initialization(key_states, value_states)
        if self.rows is None:
            values = value_states.to(key_states.dtype)
            self.prompts.append((key_states.contiguous(), values.contiguous()))
            return key_states, value_states
        self.rows.write(self.number, key_states, value_states)
        return key_states.new_empty(0), value_states.new_empty(0)

    def get_seq_length(self) -> int:
        """0 for a portion that is being read: no portion sees another."""
        return 0 if self.rows is None else self.rows.tokens()

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1


class PrefixCache(Cache):
    """Portions of prompts, left-padded [P, W], and from :meth:`answer` on the ``rows``.

    The model gets it as ``past_key_values`` and as ``shared_prefix``, which its attention reads.
    Where there are ``weights``, tokens go through them, not through the model.
    """

    def __init__(
        self,
        layers: int,
        masks_PW: Sequence[torch.Tensor],
        capacity: int,
        weights: TokenWeights | None,
    ) -> None:
        self._layers = [PrefixLayer(number) for number in range(layers)]
        super().__init__(layers=list(self._layers))
        self.rows: Rows | None = None
        self.weights = weights
        self._hidden = [None if bool(mask.all()) else ~mask.bool() for mask in masks_PW]
        self._prompts = sum(len(mask) for mask in masks_PW)
        self._capacity = capacity

    def portion(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the portion that was read last, [P, K, W, D]."""
        return self._layers[layer].prompts[-1]

    def answer(self, prompt_of_row: np.ndarray) -> None:
        """From now on these are the rows, [B], each with the number of its prompt, ascending."""
        prompts: Prompts = [layer.prompts for layer in self._layers]
        told = prompts, self._hidden, self._capacity
        alone = np.array_equal(prompt_of_row, np.arange(self._prompts))
        self._go_on_with(LoneRows(*told) if alone else SharedRows(*told, prompt_of_row))

    def join(self, other: "PrefixCache") -> None:
        """The rows of the other cache go on behind those of this one."""
        assert self.rows is not None and other.rows is not None
        waves = self.rows if isinstance(self.rows, Waves) else Waves(self.rows)
        waves.join(other.rows)
        self._go_on_with(waves)

    def _go_on_with(self, rows: Rows) -> None:
        self.rows = rows
        for layer in self._layers:
            layer.rows, layer.prompts = rows, []
