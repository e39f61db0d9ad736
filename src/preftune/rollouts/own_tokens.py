"""Keys and values of the tokens that rows write, in slabs of fixed capacity.

B rows, K heads of keys, G heads of queries a head of keys, T tokens so far, D head size.
"""

from typing import Protocol

import torch

SHORT = 48
"""Answers of at most this many tokens are kept token by token, longer ones row by row."""


class OwnTokens(Protocol):
    """One layer's keys and values of what each row wrote itself."""

    length: int

    def write(self, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        """The next token of every row."""

    def scores(self, queries_BKGD: torch.Tensor) -> torch.Tensor:
        """q · k, [B, K, G, T]."""

    def weighted(self, weights_BKGT: torch.Tensor) -> torch.Tensor:
        """Σ w v, [B, K, G, D], in the type of the weights."""

    def keep(self, rows: torch.Tensor) -> None:
        """These rows, in this order."""


class TokenMajor:
    """[T, B, K, D]: rows leave by whole vectors, and sums need no matrix products of one row."""

    def __init__(self, capacity: int, like_BK1D: torch.Tensor) -> None:
        rows, heads, _, size = like_BK1D.shape
        self.length = 0
        self.keys = like_BK1D.new_empty(capacity, rows, heads, size)
        self.values = like_BK1D.new_empty(capacity, rows, heads, size)

    def write(self, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        self.keys[self.length] = keys_BK1D[:, :, 0]
        self.values[self.length] = values_BK1D[:, :, 0]
        self.length += 1

    def scores(self, queries_BKGD: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bkgd,tbkd->bkgt", queries_BKGD, self.keys[: self.length])

    def weighted(self, weights_BKGT: torch.Tensor) -> torch.Tensor:
        total = weights_BKGT[..., :1] * self.values[0].unsqueeze(2)
        for t in range(1, self.length):
            total.addcmul_(weights_BKGT[..., t : t + 1], self.values[t].unsqueeze(2))
        return total

    def keep(self, rows: torch.Tensor) -> None:
        self.keys, self.values = self._kept(self.keys, rows), self._kept(self.values, rows)

    def _kept(self, slab: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        kept = slab.new_empty(len(slab), len(rows), *slab.shape[2:])
        torch.index_select(slab[: self.length], 1, rows, out=kept[: self.length])
        return kept


class RowMajor:
    """[B, K, T, D]: matrix products of one query a row, fast for many tokens."""

    def __init__(self, capacity: int, like_BK1D: torch.Tensor) -> None:
        rows, heads, _, size = like_BK1D.shape
        self.length = 0
        self.keys = like_BK1D.new_empty(rows, heads, capacity, size)
        self.values = like_BK1D.new_empty(rows, heads, capacity, size)

    def write(self, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        self.keys[:, :, self.length] = keys_BK1D[:, :, 0]
        self.values[:, :, self.length] = values_BK1D[:, :, 0]
        self.length += 1

    def scores(self, queries_BKGD: torch.Tensor) -> torch.Tensor:
        return queries_BKGD @ self.keys[:, :, : self.length].transpose(-1, -2)

    def weighted(self, weights_BKGT: torch.Tensor) -> torch.Tensor:
        values = self.values[:, :, : self.length]
        return (weights_BKGT.to(values.dtype) @ values).to(weights_BKGT.dtype)

    def keep(self, rows: torch.Tensor) -> None:
        self.keys, self.values = self._kept(self.keys, rows), self._kept(self.values, rows)

    def _kept(self, slab: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        kept = slab.new_empty(len(rows), *slab.shape[1:])
        torch.index_select(slab[:, :, : self.length], 0, rows, out=kept[:, :, : self.length])
        return kept


def own_tokens(capacity: int, like_BK1D: torch.Tensor) -> OwnTokens:
    """An empty store for rows whose keys and values look like these."""
    kind = TokenMajor if capacity <= SHORT else RowMajor
    return kind(capacity, like_BK1D)
