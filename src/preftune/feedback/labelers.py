"""Simulated labelers: votes with a known law, so every measurement has a known answer.

An annotator shown reply a first prefers it with probability

    p = lapse / 2 + (1 - lapse) * sigmoid((u(a) - u(b)) / temperature + position_bias)

where u = gold + sum of taste * axis. This is the Bradley-Terry model with a lapse rate and a
position bias, one set of parameters for each annotator.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from preftune.feedback.population import Annotator, Population, draw_pool
from preftune.records import (
    Axes,
    BadInput,
    Completion,
    Prompt,
    Score,
    StopReason,
    Vote,
    VotedPair,
    flat,
)

Floats = npt.NDArray[np.float64]


def utility(axes: Axes, annotator: Annotator) -> float:
    """Gold plus the annotator's tastes, in units of gold."""
    return float(_utilities([axes], [annotator])[0, 0])


def _utilities(judged: Sequence[Axes], pool: Sequence[Annotator]) -> Floats:
    """Each reply's utility to each annotator, shape (replies, annotators)."""
    found: dict[str, Floats] = {}

    def axis(name: str, person: Annotator) -> Floats:
        if name not in found:
            for axes in judged:
                if name not in axes:
                    raise BadInput(
                        f'The judge gives no axis "{name}", which labeler {person.name} needs.',
                        remedy=f"It gives {', '.join(sorted(axes))}.",
                    )
            found[name] = np.array([axes[name] for axes in judged])
        return found[name]

    utilities = np.empty((len(judged), len(pool)))
    for place, person in enumerate(pool):
        tastes = (weight * axis(name, person) for name, weight in person.tastes.items())
        utilities[:, place] = axis("gold", person) + sum(tastes)
    return utilities


def vote_probability(first: Axes, second: Axes, annotator: Annotator) -> float:
    """Probability that this annotator prefers the reply shown first."""
    u, v = _utilities([first, second], [annotator])
    return float(_law(u - v, [annotator])[0])


def preference_probability(a: Axes, b: Axes, pool: Sequence[Annotator]) -> float:
    """Exact probability that the pool prefers ``a``: the mean over annotators and both orders."""
    u, v = _utilities([a, b], pool)
    return float(_orderless_law(u - v, pool).mean())


def noise_ceiling(probabilities: npt.ArrayLike) -> float:
    """Mean of max(p, 1 - p): the best accuracy any predictor of single votes can have.

    ``probabilities``: shape (pairs,), each the exact probability of one of the two votes.
    """
    p = _checked(probabilities, 1)
    return float(np.mean(np.maximum(p, 1 - p)))


def expected_agreement(probabilities_by_annotator: npt.ArrayLike) -> float:
    """Probability that two different annotators give the same vote on a pair.

    ``probabilities_by_annotator``: shape (pairs, annotators), each p(annotator votes a); votes
    are independent given p. The mean over pairs and over all pairs of different annotators.
    """
    p = _checked(probabilities_by_annotator, 2)
    count = p.shape[1]
    if count < 2:
        raise BadInput("Agreement needs at least two annotators.")
    both_a = p.sum(axis=1) ** 2 - (p**2).sum(axis=1)
    both_b = (1 - p).sum(axis=1) ** 2 - ((1 - p) ** 2).sum(axis=1)
    return float(np.mean((both_a + both_b) / (count * (count - 1))))


def _checked(values: npt.ArrayLike, dimensions: int) -> Floats:
    p = np.asarray(values, dtype=np.float64)
    if p.ndim != dimensions or p.size == 0:
        raise BadInput(f"Expected a {dimensions}-dimensional array of probabilities, not empty.")
    if not bool(np.all((p >= 0) & (p <= 1))):
        raise BadInput("Probabilities must lie between 0 and 1.")
    return p


@dataclass(frozen=True, slots=True)
class SimulatedLabelers:
    """A ``Label``: adds the votes of a simulated pool to pairs.

    ``response_a`` is shown first, so whoever makes the pairs must put the two in random order.
    ``votes_per_pair`` different annotators vote on a pair. Who votes and how depends on the seed
    and on the pair's own text alone: the same pair gets the same votes in any batch.
    The column ``pool_probability`` of each pair is the exact probability that the pool prefers
    ``response_a``, both orders averaged. ``tie_width``: an annotator whose utilities differ by
    less votes ``tie``; 0 never ties, and ``pool_probability`` is about the choice without ties.
    """

    score: Score
    population: Population
    seed: int
    tie_width: float = 0.0

    @property
    def pool(self) -> tuple[Annotator, ...]:
        """The annotators of this seed."""
        return draw_pool(self.population, self.seed)

    def __call__(self, pairs: Sequence[VotedPair]) -> list[VotedPair]:
        return self.labelled(pairs)[0]

    def labelled(self, pairs: Sequence[VotedPair]) -> tuple[list[VotedPair], Floats]:
        """The pairs with their votes, and each annotator's probability of ``response_a``."""
        gaps = self._gaps(pairs)
        probabilities = _orderless_law(gaps, self.pool)
        columns = ({"pool_probability": mean} for mean in probabilities.mean(axis=1).tolist())
        voted = [
            replace(pair, votes=(*pair.votes, *votes), columns={**pair.columns, **more})
            for pair, votes, more in zip(pairs, self._votes(pairs, gaps), columns, strict=True)
        ]
        return voted, probabilities

    def probabilities(self, pairs: Sequence[VotedPair]) -> Floats:
        """Shape (pairs, annotators): p(prefers ``response_a``), both orders averaged."""
        return _orderless_law(self._gaps(pairs), self.pool)

    def _gaps(self, pairs: Sequence[VotedPair]) -> Floats:
        """Utility of ``response_a`` minus that of ``response_b``, shape (pairs, annotators)."""
        replies: dict[tuple[str, str], int] = {}
        completions: list[Completion] = []
        sides: list[int] = []
        for pair in pairs:
            for text in (pair.response_a, pair.response_b):
                place = replies.setdefault((pair.prompt.id, text), len(replies))
                if place == len(completions):
                    completions.append(_completion(pair.prompt, text))
                sides.append(place)
        judged: list[Axes] = []
        for reply, axes in zip(completions, self.score(completions), strict=True):
            if axes is None:
                raise BadInput(
                    f"The judge cannot judge replies to prompt {reply.prompt.id}.",
                    remedy="Label pairs of the judge's own world, with all their columns.",
                )
            judged.append(axes)
        utilities = _utilities(judged, self.pool)
        gaps: Floats = utilities[sides[::2]] - utilities[sides[1::2]]
        return gaps

    def _votes(self, pairs: Sequence[VotedPair], gaps: Floats) -> Iterator[list[Vote]]:
        """The votes on each pair, by annotators drawn without replacement."""
        pool, count = self.pool, self.population.votes_per_pair
        dice = _dice(self.seed, pairs, len(pool) + count)
        voters = np.argsort(dice[:, : len(pool)], axis=1, kind="stable")[:, :count]
        theirs = np.take_along_axis(gaps, voters, axis=1)
        laws = np.take_along_axis(_law(gaps, pool), voters, axis=1)
        choices = np.where(dice[:, len(pool) :] < laws, "a", "b")
        choices = np.where(np.abs(theirs) < self.tie_width, "tie", choices)
        for chosen, votes in zip(voters.tolist(), choices.tolist(), strict=True):
            yield [
                Vote(pool[place].name, vote, pool[place].group)
                for place, vote in zip(chosen, votes, strict=True)
            ]


def _law(gaps: Floats, pool: Sequence[Annotator]) -> Floats:
    """The formula at the top; sigmoid(x) = (1 + tanh(x / 2)) / 2 cannot overflow.

    ``gaps``: shape (..., annotators), the utility shown first minus the other.
    """
    temperature = np.array([person.temperature for person in pool])
    bias = np.array([person.position_bias for person in pool])
    lapse = np.array([person.lapse for person in pool])
    first: Floats = lapse / 2 + (1 - lapse) * 0.5 * (1 + np.tanh((gaps / temperature + bias) / 2))
    return first


def _orderless_law(gaps: Floats, pool: Sequence[Annotator]) -> Floats:
    """Each annotator's probability of preferring a, both orders averaged; shapes as ``gaps``."""
    both: Floats = 0.5 * (_law(gaps, pool) + 1 - _law(-gaps, pool))
    return both


def _dice(seed: int, pairs: Sequence[VotedPair], count: int) -> Floats:
    """Numbers in [0, 1) that depend on the seed and on each pair's own texts, shape (pairs, count).

    The first 53 bits of every 8 bytes of SHAKE-256: no state, so no pair depends on another.
    """
    start = hashlib.shake_256(f"{seed}\x00".encode())
    drawn = bytearray()
    for pair in pairs:
        each = start.copy()
        each.update(
            "\x00".join((flat(pair.prompt.text), pair.response_a, pair.response_b)).encode()
        )
        drawn += each.digest(8 * count)
    whole = np.frombuffer(bytes(drawn), dtype="<u8").reshape(len(pairs), count)
    return (whole >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _completion(prompt: Prompt, text: str) -> Completion:
    return Completion(prompt, text, StopReason.EOS, policy_version="")
