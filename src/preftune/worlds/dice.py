"""Cheap random choices: uniforms are drawn from the generator in blocks."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


class Dice:
    """Choices among small lists, every one decided by the given generator.

    Drawing 64 uniforms at a time makes a text about ten times cheaper than one ``rng.choice``
    for every decision.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._left: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self._left:
            self._left = self._rng.random(64).tolist()
        return self._left.pop()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.uniform() < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items, each equally likely."""
        return items[int(self.uniform() * len(items))]

    def weighted(self, weights: Mapping[str, float]) -> str:
        """One of the names, in proportion to its weight."""
        mark = self.uniform() * sum(weights.values())
        for name, weight in weights.items():
            mark -= weight
            if mark < 0:
                return name
        return max(weights, key=lambda name: weights[name])

    def some(self, items: Sequence[Item], count: int) -> list[Item]:
        """``count`` different items in random order."""
        left = list(items)
        return [left.pop(int(self.uniform() * len(left))) for _ in range(count)]
