"""A key–value cache that is written in place and gives up the rows that have finished.

transformers' own dynamic cache concatenates, which copies the whole cache at every token; this
one reserves room for the longest completion and hands out views.
"""

import torch
from transformers import PretrainedConfig
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


class SlabLayer(DynamicLayer):
    """Keys and values of one layer, [B, heads, tokens, head size], in a slab of fixed capacity."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.length = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        rows, heads, _, size = key_states.shape
        self._keys = key_states.new_empty(rows, heads, self.capacity, size)
        self._values = value_states.new_empty(rows, heads, self.capacity, value_states.shape[-1])
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.length = self.length, self.length + key_states.shape[-2]
        self._keys[:, :, start : self.length] = key_states
        self._values[:, :, start : self.length] = value_states
        return self._view()

    def get_seq_length(self) -> int:
        return self.length

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keeps these rows, in this order."""
        keys, values = self._keys, self._values
        self._keys = keys.new_empty(len(indices), *keys.shape[1:])
        self._values = values.new_empty(len(indices), *values.shape[1:])
        self._keys[:, :, : self.length] = keys[indices, :, : self.length]
        self._values[:, :, : self.length] = values[indices, :, : self.length]
        self._view()

    def _view(self) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self._keys[:, :, : self.length], self._values[:, :, : self.length]
        self.keys, self.values = keys, values
        return keys, values


def plain_layers(config: PretrainedConfig) -> int:
    """How many layers attend to everything; 0 where any does not."""
    layers = DynamicCache(config=config).layers
    if any(type(layer) is not DynamicLayer for layer in layers):
        return 0
    return len(layers) or int(config.get_text_config().num_hidden_layers)


def generation_cache(config: PretrainedConfig, capacity: int) -> Cache:
    """Slabs where every layer attends to everything; transformers' own cache for other layers."""
    layers = plain_layers(config)
    if layers == 0:
        return DynamicCache(config=config)
    return Cache(layers=[SlabLayer(capacity) for _ in range(layers)])
