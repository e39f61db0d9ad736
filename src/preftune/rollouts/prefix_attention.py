"""Attention of rows that share their prompt: its keys and values stand once, not once a row.

A row's softmax runs over its prompt and its own tokens. Both parts are computed apart, the first
for all rows of a prompt as one matrix product, and joined exactly: with the highest score m and
the total Z = Σ exp(s − m) of each part,

    out = (exp(m₁ − m) Σ exp(s₁ − m₁) v₁ + exp(m₂ − m) Σ exp(s₂ − m₂) v₂)
          / (exp(m₁ − m) Z₁ + exp(m₂ − m) Z₂),        m = max(m₁, m₂)

(Milakov and Gimelshein 2018, eq. 4; for shared prefixes Juravsky et al. 2024, "Hydragen", §3).
Axes: B rows, P prompts, N slots a prompt, K heads of keys, G heads of queries a head of keys,
W prompt columns, T own tokens, D head size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from preftune.rollouts.own_tokens import OwnTokens


class Part(NamedTuple):
    """A softmax over some of the tokens, unfinished: Σ exp(s − m) v, m and Σ exp(s − m)."""

    weighted: torch.Tensor
    highest: torch.Tensor
    total: torch.Tensor


@dataclass(frozen=True, slots=True)
class Places:
    """Where the rows of each prompt are: N slots a prompt, as many as its most frequent has rows.

    ``row_of_slot`` [P · N] names any row where a slot is empty; ``slot_of_row`` [B]. When every
    slot is full and rows stand in the order of slots, ``even``, nothing has to be moved.
    """

    prompts: int
    slots: int
    row_of_slot: torch.Tensor
    slot_of_row: torch.Tensor
    even: bool

    def to_slots(self, of_rows: torch.Tensor) -> torch.Tensor:
        """[B, …] to [P, N, …]."""
        moved = of_rows if self.even else of_rows.index_select(0, self.row_of_slot)
        return moved.view(self.prompts, self.slots, *of_rows.shape[1:])

    def to_rows(self, of_slots: torch.Tensor) -> torch.Tensor:
        """[P, N, …] to [B, …]."""
        flat = of_slots.reshape(self.prompts * self.slots, *of_slots.shape[2:])
        return flat if self.even else flat.index_select(0, self.slot_of_row)


def places_of(prompt_of_row: np.ndarray, prompts: int, device: torch.device) -> Places:
    """The places of rows that belong to these prompts, [B] numbers below ``prompts``."""
    counts = np.bincount(prompt_of_row, minlength=prompts)
    slots = int(counts.max())
    order = np.argsort(prompt_of_row, kind="stable")
    firsts = np.cumsum(counts) - counts
    owners = prompt_of_row[order]
    slot_of_row = np.empty(len(order), dtype=np.int64)
    slot_of_row[order] = owners * slots + np.arange(len(order)) - firsts[owners]
    row_of_slot = np.zeros(prompts * slots, dtype=np.int64)
    row_of_slot[slot_of_row] = np.arange(len(order))
    return Places(
        prompts=prompts,
        slots=slots,
        row_of_slot=torch.from_numpy(row_of_slot).to(device),
        slot_of_row=torch.from_numpy(slot_of_row).to(device),
        even=np.array_equal(slot_of_row, np.arange(prompts * slots)),
    )


@dataclass(frozen=True, slots=True)
class Portion:
    """Prompts of nearly one length, and which rows of the batch answer them.

    ``hidden_P11W`` is True at columns that are no tokens, None where all are.
    """

    rows: slice
    hidden_P11W: torch.Tensor | None
    places: Places


def prefix_attention(
    queries_BKGD: torch.Tensor,
    prompts: Sequence[tuple[torch.Tensor, torch.Tensor]],
    portions: Sequence[Portion],
    own: OwnTokens,
) -> torch.Tensor:
    """What each row reads of its prompt and of its own tokens, [B, K, G, D].

    ``prompts`` are the keys and values of each portion, [P, K, W, D]; the rows of the portions
    follow one another. Queries are scaled already. A prompt has one token at least, and so has
    ``own``. Totals are summed in float32.
    """
    parts = [
        _prompt_part(queries_BKGD[portion.rows], *keys_and_values, portion)
        for keys_and_values, portion in zip(prompts, portions, strict=True)
    ]
    theirs = parts[0] if len(parts) == 1 else Part(*map(torch.cat, zip(*parts, strict=True)))
    scores = own.scores(queries_BKGD).float()
    highest = scores.amax(-1, keepdim=True)
    weights = (scores - highest).exp_()
    ours = Part(own.weighted(weights), highest, weights.sum(-1, keepdim=True))
    return joined(theirs, ours).to(queries_BKGD.dtype)


def joined(one: Part, other: Part) -> torch.Tensor:
    """The mean of the values under one softmax over the tokens of both parts."""
    highest = torch.maximum(one.highest, other.highest)
    first, second = (one.highest - highest).exp_(), (other.highest - highest).exp_()
    weighted = torch.addcmul(first * one.weighted, second, other.weighted)
    return weighted.div_(torch.addcmul(first * one.total, second, other.total))


def _prompt_part(
    queries_BKGD: torch.Tensor, keys_PKWD: torch.Tensor, values_PKWD: torch.Tensor, of: Portion
) -> Part:
    _, heads, group, size = queries_BKGD.shape
    places = of.places
    queries = places.to_slots(queries_BKGD).transpose(1, 2)
    queries = queries.reshape(places.prompts, heads, places.slots * group, size)
    scores = (queries @ keys_PKWD.transpose(-1, -2)).float()
    if of.hidden_P11W is not None:
        scores = scores.masked_fill_(of.hidden_P11W, float("-inf"))
    highest = scores.amax(-1, keepdim=True)
    weights = (scores - highest).exp_()
    weighted = (weights.to(values_PKWD.dtype) @ values_PKWD).float()
    packed = torch.cat([weighted, highest, weights.sum(-1, keepdim=True)], dim=-1)
    packed = packed.view(places.prompts, heads, places.slots, group, size + 2).transpose(1, 2)
    return Part(*places.to_rows(packed).split((size, 1, 1), dim=-1))
