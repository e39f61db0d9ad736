"""A portion of prompts of nearly one length, read without padding.

P prompts of a portion, W columns, N real tokens in them, K heads of keys, G heads of queries a head
of keys, D head size.
"""

import torch
from torch.nn.functional import scaled_dot_product_attention

from preftune.rollouts.prefix_cache import PrefixCache


class EndToEnd:
    """A portion's real tokens as rows of one token each: only attention knows whose they are.

    What they write goes into the cache as the portion's keys and values.
    """

    def __init__(self, cache: PrefixCache, mask_PW: torch.Tensor) -> None:
        real_PW = mask_PW.bool()
        self.cache, self._shape = cache, real_PW.shape
        self.places = real_PW.nonzero(as_tuple=True)
        """The prompt and the column of each of the N tokens."""
        self.last_P = real_PW.sum(1).cumsum(0) - 1
        """Where the prompts' last tokens are among the N."""
        self._seen_P1WW = None if bool(real_PW.all()) else _seen(real_PW).unsqueeze(1)

    def write(self, layer: int, keys_NK1D: torch.Tensor, values_NK1D: torch.Tensor) -> None:
        keys, values = (self._by_prompt(part.squeeze(2)) for part in (keys_NK1D, values_NK1D))
        self.cache.update(keys.transpose(1, 2), values.transpose(1, 2), layer)

    def attend(self, layer: int, queries_NKGD: torch.Tensor) -> torch.Tensor:
        groups = queries_NKGD.shape[2]
        keys, values = (
            part_PKWD.repeat_interleave(groups, 1) if groups > 1 else part_PKWD
            for part_PKWD in self.cache.portion(layer)
        )
        queries = self._by_prompt(queries_NKGD.flatten(1, 2)).transpose(1, 2).to(keys.dtype)
        seen = self._seen_P1WW
        read = scaled_dot_product_attention(
            queries, keys, values, attn_mask=seen, is_causal=seen is None, scale=1.0
        )
        return read.transpose(1, 2)[self.places].view(queries_NKGD.shape)

    def _by_prompt(self, states: torch.Tensor) -> torch.Tensor:
        """[P, W, …] of [N, …]; 0 at padding."""
        table = states.new_zeros(*self._shape, *states.shape[1:])
        table[self.places] = states
        return table


def _seen(real_PW: torch.Tensor) -> torch.Tensor:
    """[P, W, W]: the real tokens before and at a query; padding sees itself, not nothing."""
    width = real_PW.shape[1]
    causal_WW = torch.ones(width, width, dtype=torch.bool, device=real_PW.device).tril()
    itself_WW = torch.eye(width, dtype=torch.bool, device=real_PW.device)
    return causal_WW & real_PW.unsqueeze(1) | itself_WW
