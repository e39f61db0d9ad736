"""The rows that answer prompts which have been read, and what each attends to while it writes."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

SHRINK = 0.875
"""Where moving rows costs, they move when this share of them, or fewer, are still writing."""


class Attending(Protocol):
    """Rows of one token each, and what they attend to.

    B rows, K heads of keys, G heads of queries a head of keys, D head size.
    """

    def write(self, layer: int, keys_BK1D: torch.Tensor, values_BK1D: torch.Tensor) -> None:
        """The next token of every row."""

    def attend(self, layer: int, queries_BKGD: torch.Tensor) -> torch.Tensor:
        """What each row reads of its prompt and its own tokens, [B, K, G, D]; scaled queries."""


class Rows(Attending, Protocol):
    """Keys and values of every layer: of the prompts, and of what the rows write themselves."""

    @property
    def refill(self) -> float:
        """Others may join when this share of the rows there is room for, or less, still writes."""

    @property
    def count(self) -> int:
        """B, those that have ended and not moved yet included."""

    def moves(self, live_B: np.ndarray) -> bool:
        """Whether moving them pays, as some have ended. It does where all have: who began together
        is at the last token there is room for at one time."""

    def order(self, live_B: np.ndarray) -> np.ndarray:
        """The rows that are still writing, in the order in which they should go on."""

    def keep(self, rows: np.ndarray) -> None:
        """Goes on with these rows, in this order: one that :meth:`order` gave."""

    def tokens(self) -> int:
        """The tokens of the longest prompt and of what its rows wrote."""


def worth_moving(live_B: np.ndarray, share: float) -> bool:
    """Whether some rows have ended, and at most this share of all is still writing."""
    return not live_B.all() and bool(live_B.sum() <= share * len(live_B))


def one_after_another(counts: Sequence[int]) -> list[slice]:
    """Where the rows of each are, of so many."""
    bounds = np.cumsum([0, *counts]).tolist()
    return [slice(*pair) for pair in zip(bounds[:-1], bounds[1:], strict=True)]


def within(rows: np.ndarray, places: slice) -> np.ndarray:
    """Those of the rows that are at these places, counted from their first."""
    return rows[(rows >= places.start) & (rows < places.stop)] - places.start


Prompts = list[list[tuple[torch.Tensor, torch.Tensor]]]
"""For each layer the keys and values of each portion of prompts, [P, K, W, D]."""
