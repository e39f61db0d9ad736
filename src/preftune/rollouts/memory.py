"""What the networks have read of each row: with a copy of its prompt, or with a share of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.models import Row, collate, portions_of
from preftune.rollouts.cache import generation_cache, plain_layers
from preftune.rollouts.prefix_cache import PrefixCache
from preftune.rollouts.rows import SHRINK, Rows, worth_moving
from preftune.rollouts.sharing import attending_to_shared, can_share
from preftune.rollouts.token_weights import TokenWeights, token_weights

Reading = dict[str, Any]
"""The arguments one network is called with."""

Ids = Sequence[tuple[int, ...]]
"""The tokens of prompts."""

SPARED = 256
"""So many padded columns, attended to at every token, pay for one more portion of prompts."""
COPIED = 24
"""Answers of so many tokens pay for a copy of the weights: one of 17 M takes 50 ms, and each token
2 to 3 less with it."""


class Memory(Protocol):
    """Prompts are read first, then :meth:`answer` says which rows go on, then token by token."""

    @property
    def refill(self) -> float:
        """Others may join when this share of the rows there is room for, or less, still writes."""

    def first(self) -> list[list[Reading]]:
        """Reads the prompts, portion by portion; one reading for each network."""

    def answer(self, prompt_of_row: np.ndarray) -> None:
        """The rows, [B], each with the number of its prompt, ascending."""

    def then(self, tokens_B: torch.Tensor) -> list[Reading]:
        """Reads the token that each row wrote last."""

    def keep(self, live_B: np.ndarray) -> np.ndarray | None:
        """Goes on with the rows that are still writing; which they are, in their new order.

        None, and all go on as they stand, where moving them is not worth it.
        """

    def join(self, other: "Memory") -> None:
        """The rows of another memory of the same networks go on behind this one's."""


class NewMemory(Protocol):
    """A memory of these prompts."""

    def __call__(self, prompts: Ids) -> Memory: ...


class CopiedPrompts:
    """Every row with its own copy of its prompt's keys and values: for any model.

    Its rows begin together, when all that were there have ended.
    """

    refill = 0.0

    def __init__(self, networks: Sequence[PreTrainedModel], prompts: Ids, longest: int) -> None:
        batch = collate([Row(ids, ()) for ids in prompts], 0, networks[0].device)
        capacity = batch.input_ids_BS.shape[1] + longest
        self.caches = [generation_cache(network.config, capacity) for network in networks]
        self._batch = batch
        self._mask_BS, self._positions_B = batch.attention_mask_BS, batch.position_ids_BS[:, -1]

    def first(self) -> list[list[Reading]]:
        return [self._readings(self._batch.input_ids_BS, self._batch.position_ids_BS)]

    def answer(self, prompt_of_row: np.ndarray) -> None:
        if not np.array_equal(prompt_of_row, np.arange(len(self._mask_BS))):
            self._select(prompt_of_row)

    def then(self, tokens_B: torch.Tensor) -> list[Reading]:
        ones = self._mask_BS.new_ones(len(self._mask_BS), 1)
        self._mask_BS = torch.cat([self._mask_BS, ones], dim=1)
        self._positions_B = self._positions_B + 1
        return self._readings(tokens_B.unsqueeze(1), self._positions_B.unsqueeze(1))

    def keep(self, live_B: np.ndarray) -> np.ndarray | None:
        if not worth_moving(live_B, SHRINK):
            return None
        rows = np.flatnonzero(live_B)
        self._select(rows)
        return rows

    def join(self, other: Memory) -> None:
        raise RuntimeError("Rows with copies of their prompts begin together.")

    def _select(self, places: np.ndarray) -> None:
        rows = torch.from_numpy(places).to(self._mask_BS.device)
        for cache in self.caches:
            cache.batch_select_indices(rows)
        self._mask_BS, self._positions_B = self._mask_BS[rows], self._positions_B[rows]

    def _readings(self, ids: torch.Tensor, positions: torch.Tensor) -> list[Reading]:
        return [
            {
                "input_ids": ids,
                "attention_mask": self._mask_BS,
                "position_ids": positions,
                "past_key_values": cache,
            }
            for cache in self.caches
        ]


class SharedPrompts:
    """Every row with the tokens it wrote, and its prompt's keys and values shared by all its rows.

    The networks must run inside :func:`preftune.rollouts.sharing.attending_to_shared`.
    """

    def __init__(
        self,
        networks: Sequence[PreTrainedModel],
        weights: Sequence[TokenWeights | None],
        prompts: Ids,
        longest: int,
    ) -> None:
        device = networks[0].device
        self._batches = [
            collate([Row(ids, ()) for ids in prompts[portion]], 0, device)
            for portion in portions_of([len(ids) for ids in prompts], SPARED)
        ]
        masks = [batch.attention_mask_BS for batch in self._batches]
        self.caches = [
            PrefixCache(plain_layers(network.config), masks, longest, own)
            for network, own in zip(networks, weights, strict=True)
        ]
        self._positions_B = torch.cat([batch.position_ids_BS[:, -1] for batch in self._batches])

    def first(self) -> list[list[Reading]]:
        return [
            self._readings(batch.input_ids_BS, batch.position_ids_BS, batch.attention_mask_BS)
            for batch in self._batches
        ]

    def answer(self, prompt_of_row: np.ndarray) -> None:
        for cache in self.caches:
            cache.answer(prompt_of_row)
        rows = torch.from_numpy(prompt_of_row).to(self._positions_B.device)
        self._positions_B = self._positions_B[rows]

    def then(self, tokens_B: torch.Tensor) -> list[Reading]:
        self._positions_B = self._positions_B + 1
        return self._readings(
            tokens_B.unsqueeze(1), self._positions_B.unsqueeze(1), self._unread(tokens_B)
        )

    def keep(self, live_B: np.ndarray) -> np.ndarray | None:
        if not self._rows[0].moves(live_B):
            return None
        places = self._rows[0].order(live_B)
        for rows in self._rows:
            rows.keep(places)
        self._positions_B = self._positions_B[torch.from_numpy(places).to(self._positions_B.device)]
        return places

    @property
    def refill(self) -> float:
        return self._rows[0].refill

    def join(self, other: Memory) -> None:
        assert isinstance(other, SharedPrompts)
        for cache, theirs in zip(self.caches, other.caches, strict=True):
            cache.join(theirs)
        self._positions_B = torch.cat([self._positions_B, other._positions_B])

    @property
    def _rows(self) -> list[Rows]:
        return [cache.rows for cache in self.caches if cache.rows is not None]

    def _readings(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor
    ) -> list[Reading]:
        return [
            {
                "input_ids": ids,
                "attention_mask": mask,
                "position_ids": positions,
                "past_key_values": cache,
                "shared_prefix": cache,
            }
            for cache in self.caches
        ]

    def _unread(self, tokens_B: torch.Tensor) -> torch.Tensor:
        """A mask of four axes, which transformers hands on as it is and nobody reads."""
        return tokens_B.new_ones(1, 1, 1, 1, dtype=torch.bool)


@contextmanager
def reading(networks: Sequence[PreTrainedModel], longest: int) -> Iterator[NewMemory]:
    """Makes memories of prompts for answers of ``longest`` tokens: shared where the networks can.

    The prompts come in the order of their lengths.
    """
    if not all(can_share(network) for network in networks):
        yield partial(CopiedPrompts, networks, longest=longest)
        return
    with attending_to_shared(networks):
        weights = [token_weights(one) if longest >= COPIED else None for one in networks]
        yield partial(SharedPrompts, networks, weights, longest=longest)
