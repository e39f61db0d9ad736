"""Scripted responses: both sides draw their tokens as always, and then write these instead.

Two samplers never draw the same tokens, and a network with random weights never ends by itself.
So every response has a set length and set tokens, given by its prompt, its number among the
prompt's responses and the iteration. All of a sampler's own work is done; only what it drew is
exchanged. Then both sides read, score and learn from the same tokens, and their losses must agree.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path


class Script:
    """Tokens of every response, by prompt.

    ``mixed`` lengths are spread evenly from 1 to ``longest``, their mean half of it, and end with
    the end token; ``fixed`` ones have ``longest`` tokens and end with it too. The order of the
    prompts is nobody's: a response depends on the ids of its prompt alone.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], tokens: range, end: int) -> None:
        self.place = {tuple(ids): index for index, ids in enumerate(prompts)}
        self.vocabulary, self.end = tokens, end

    def table(
        self, prompts: Sequence[Sequence[int]], longest: int, samples: int, lengths: str, turn: int
    ) -> list[list[int]]:
        """A response for each prompt of a request, in its order."""
        seen: Counter[tuple[int, ...]] = Counter()
        rows = []
        for ids in prompts:
            key = tuple(ids)
            number = self.place[key] * samples + seen[key]
            seen[key] += 1
            count = len(self.place) * samples
            rows.append(self._response(number, count, longest, lengths, turn))
        return rows

    def _response(
        self, number: int, count: int, longest: int, lengths: str, turn: int
    ) -> list[int]:
        size = longest
        if lengths == "mixed":
            order = random.Random(f"lengths {turn}").sample(range(count), count)
            size = mixed_length(order[number], count, longest)
        drawn = random.Random(f"tokens {turn} {number}")
        body = [drawn.choice(self.vocabulary) for _ in range(size - 1)]
        return [*body, self.end]


def mixed_length(place: int, count: int, longest: int) -> int:
    """The length of response ``place`` of ``count``: even steps from 1 to ``longest``."""
    return 1 + round(place * (longest - 1) / max(count - 1, 1))


def read_script(path: str) -> Script:
    """The script that whoever made the inputs wrote."""
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    return Script(told["prompts"], range(told["first_token"], told["tokens"]), told["end"])
