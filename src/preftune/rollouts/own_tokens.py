"""Keys and values of the tokens that rows write, [B, K, T, D] of each, in a slab of fixed size."""

import torch

SMALL = 12
"""Up to this many tokens, products with one query a row are summed token by token: torch has no
fast kernel for matrix products that small."""


class OwnTokens:
    """One layer's; B rows, K heads of keys, G heads of queries a head of keys, D head size."""

    def __init__(self, capacity: int, like_BK1D: torch.Tensor) -> None:
        rows, heads, _, size = like_BK1D.shape
        self.length = 0
        self.keys = like_BK1D.new_empty(rows, heads, capacity, size)
        self.values = like_BK1D.new_empty(rows, heads, capacity, size)

    def write(self, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        """The next token of every row."""
        self.keys[:, :, self.length] = keys_BK1D[:, :, 0]
        self.values[:, :, self.length] = values_BK1D[:, :, 0]
        self.length += 1

    def scores(self, queries_BKGD: torch.Tensor) -> torch.Tensor:
        return queries_BKGD @ self.keys[:, :, : self.length].transpose(-1, -2)

    def weighted(self, weights_BKGT: torch.Tensor) -> torch.Tensor:
        values = self.values[:, :, : self.length]
        if self.length > SMALL:
            return (weights_BKGT.to(values.dtype) @ values).to(weights_BKGT.dtype)
        total = weights_BKGT[..., :1] * values[:, :, :1]
        for t in range(1, self.length):
            total.addcmul_(weights_BKGT[..., t : t + 1], values[:, :, t : t + 1])
        return total

    def keep(self, rows: torch.Tensor) -> None:
        """These rows, in this order."""
        self.keys, self.values = self._kept(self.keys, rows), self._kept(self.values, rows)

    def _kept(self, slab: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        kept = slab.new_empty(len(rows), *slab.shape[1:])
        torch.index_select(slab[:, :, : self.length], 0, rows, out=kept[:, :, : self.length])
        return kept
