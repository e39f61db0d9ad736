"""Simulated labelers: votes with a known law, so every measurement has a known answer.

An annotator shown reply a first prefers it with probability

    p = lapse / 2 + (1 - lapse) * sigmoid((u(a) - u(b)) / temperature + position_bias)

where u = gold + sum of taste * axis. This is the Bradley-Terry model with a lapse rate and a
position bias, one set of parameters for each annotator.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
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
    missing = [name for name in ("gold", *annotator.tastes) if name not in axes]
    if missing:
        raise BadInput(
            f'The judge gives no axis "{missing[0]}", which labeler {annotator.name} needs.',
            remedy=f"It gives {', '.join(sorted(axes))}.",
        )
    return axes["gold"] + sum(weight * axes[name] for name, weight in annotator.tastes.items())


def vote_probability(first: Axes, second: Axes, annotator: Annotator) -> float:
    """Probability that this annotator prefers the reply shown first."""
    return _law(utility(first, annotator) - utility(second, annotator), annotator)


def _law(gap: float, annotator: Annotator) -> float:
    """The formula at the top; sigmoid(x) = (1 + tanh(x / 2)) / 2 cannot overflow."""
    logit = gap / annotator.temperature + annotator.position_bias
    return annotator.lapse / 2 + (1 - annotator.lapse) * 0.5 * (1 + math.tanh(logit / 2))


def preference_probability(a: Axes, b: Axes, pool: Sequence[Annotator]) -> float:
    """Exact probability that the pool prefers ``a``: the mean over annotators and both orders."""
    gaps = np.array([[utility(a, person) - utility(b, person) for person in pool]])
    return float(_orderless_law(gaps, pool).mean())


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
        pool, gaps = self.pool, self._gaps(pairs)
        preferred = _orderless_law(gaps, pool).mean(axis=1).tolist()
        return [
            self._vote(pair, gap, probability, pool)
            for pair, gap, probability in zip(pairs, gaps, preferred, strict=True)
        ]

    def probabilities(self, pairs: Sequence[VotedPair]) -> Floats:
        """Shape (pairs, annotators): p(prefers ``response_a``), both orders averaged."""
        return _orderless_law(self._gaps(pairs), self.pool)

    def _gaps(self, pairs: Sequence[VotedPair]) -> Floats:
        """Utility of ``response_a`` minus that of ``response_b``, shape (pairs, annotators)."""
        pool = self.pool
        replies: dict[tuple[str, str], int] = {}
        completions: list[Completion] = []
        sides: list[int] = []
        for pair in pairs:
            for text in (pair.response_a, pair.response_b):
                place = replies.setdefault((pair.prompt.id, text), len(replies))
                if place == len(completions):
                    completions.append(_completion(pair.prompt, text))
                sides.append(place)
        utilities = np.empty((len(completions), len(pool)))
        for place, (reply, axes) in enumerate(
            zip(completions, self.score(completions), strict=True)
        ):
            if axes is None:
                raise BadInput(
                    f"The judge cannot judge replies to prompt {reply.prompt.id}.",
                    remedy="Label pairs of the judge's own world, with all their columns.",
                )
            utilities[place] = [utility(axes, person) for person in pool]
        gaps: Floats = utilities[sides[::2]] - utilities[sides[1::2]]
        return gaps

    def _vote(
        self, pair: VotedPair, gaps: Floats, probability: float, pool: Sequence[Annotator]
    ) -> VotedPair:
        rng = np.random.default_rng([self.seed, *_fingerprint(pair)])
        chosen = rng.choice(len(pool), size=self.population.votes_per_pair, replace=False)
        votes = [self._one(float(gaps[place]), pool[place], rng) for place in chosen.tolist()]
        columns: Mapping[str, object] = {**pair.columns, "pool_probability": probability}
        return replace(pair, votes=(*pair.votes, *votes), columns=columns)

    def _one(self, gap: float, person: Annotator, rng: np.random.Generator) -> Vote:
        prefers_a = bool(rng.random() < _law(gap, person))
        if abs(gap) < self.tie_width:
            return Vote(person.name, "tie", person.group)
        return Vote(person.name, "a" if prefers_a else "b", person.group)


def _orderless_law(gaps: Floats, pool: Sequence[Annotator]) -> Floats:
    """Each annotator's probability of preferring a, both orders averaged; shapes as ``gaps``."""
    temperature = np.array([person.temperature for person in pool])
    bias = np.array([person.position_bias for person in pool])
    lapse = np.array([person.lapse for person in pool])
    scaled = gaps / temperature

    def law(logits: Floats) -> Floats:
        seen_first: Floats = lapse / 2 + (1 - lapse) * 0.5 * (1 + np.tanh(logits / 2))
        return seen_first

    both: Floats = 0.5 * (law(scaled + bias) + 1 - law(bias - scaled))
    return both


def _completion(prompt: Prompt, text: str) -> Completion:
    return Completion(prompt, text, StopReason.EOS, policy_version="")


def _fingerprint(pair: VotedPair) -> list[int]:
    """Numbers that depend on the pair's texts alone."""
    whole = "\x00".join((flat(pair.prompt.text), pair.response_a, pair.response_b))
    digest = hashlib.sha256(whole.encode()).digest()
    return [int.from_bytes(digest[place : place + 4], "big") for place in range(0, 16, 4)]
