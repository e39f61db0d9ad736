"""Has the policy left what its reward model learnt from? Scores and doubts on current answers
against those on the training answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preftune.records import Axes, BadInput, Estimate
from preftune.stats import Clusters, mean_estimate, share_estimate
from preftune.stats.clusters import cluster_codes

Floats = NDArray[np.float64]
EXTREME = 0.99
"""Which quantile of the training answers' scores counts as extreme."""
FEWEST = 20


@dataclass(frozen=True, slots=True)
class Shift:
    """How the current answers lie beside the training answers, as the reward model reads them."""

    score: Estimate
    """Mean score above the training answers', in their standard deviations."""
    extreme: Estimate
    """Share of scores above the training answers' 99th percentile; .01 is no shift."""
    apart: Estimate
    """P(a current answer scores above a training answer), ties half; .5 is no shift."""
    uncertainty: Estimate | None
    """Mean disagreement of the members as a factor of that on the training answers; None for a
    single model."""
    more_uncertain: Estimate | None
    """P(the members disagree more about a current answer than about a training answer)."""

    @property
    def sentences(self) -> list[str]:
        """What a person would want to hear of it."""
        told = [
            f"Current answers score {self.score.value:+.2f} standard deviations "
            f"({self.score.low:+.2f} to {self.score.high:+.2f}) beside those it was trained on; "
            f"{self.extreme.value:.0%} ({self.extreme.low:.0%} to {self.extreme.high:.0%}) are "
            "above their 99th percentile."
        ]
        if self.uncertainty is None:
            return [*told, "A single model has no doubts to measure: train members = 3 or more."]
        way = "no surely other"
        if self.uncertainty.low > 1:
            way = "surely more"
        elif self.uncertainty.high < 1:
            way = "surely less"
        return [
            *told,
            f"Its members disagree {self.uncertainty.value:.2f} times as much "
            f"({self.uncertainty.low:.2f} to {self.uncertainty.high:.2f}): {way} than on the "
            "answers they learnt from.",
        ]

    def as_json(self) -> dict[str, object]:
        doubts = {"uncertainty": self.uncertainty, "more_uncertain": self.more_uncertain}
        return {
            "score": self.score.as_json(),
            "extreme": self.extreme.as_json(),
            "apart": self.apart.as_json(),
            **{name: None if e is None else e.as_json() for name, e in doubts.items()},
            "sentences": self.sentences,
        }


def distribution_shift(
    current: Sequence[Axes | None],
    train: Sequence[Axes | None],
    clusters: Clusters,
) -> Shift:
    """``current`` and ``train`` are a reward model's axes (score, and disagreement of an ensemble)
    on the policy's answers and on those it was trained on; ``clusters`` are the current prompts.

    The training answers are taken as they are: intervals say how well the current answers are
    known. BadInput with fewer than 20 of either, or training answers that all score the same.
    """
    scores, before = _axis(current, "score"), _axis(train, "score")
    if min(scores.size, before.size) < FEWEST:
        raise BadInput(
            f"A shift needs {FEWEST} answers of each: {scores.size} current and {before.size} of "
            "training are given."
        )
    spread = float(before.std(ddof=1))
    if spread == 0:
        raise BadInput("The reward model gives all its training answers the same score.")
    codes = cluster_codes(clusters, scores.size)
    cut = float(np.quantile(before, EXTREME))
    doubts = ratio = None
    if all(axes is not None and "disagreement" in axes for axes in (*current, *train)):
        now, then = _axis(current, "disagreement"), _axis(train, "disagreement")
        doubts = share_estimate(_above(now, then), codes)
        usual = float(then.mean())
        if usual > 0:
            ratio = mean_estimate(now / usual, codes)
    return Shift(
        score=mean_estimate((scores - before.mean()) / spread, codes),
        extreme=share_estimate((scores > cut).astype(np.float64), codes),
        apart=share_estimate(_above(scores, before), codes),
        uncertainty=ratio,
        more_uncertain=doubts,
    )


def _above(now: Floats, then: Floats) -> Floats:
    """For each current value the share of training values below it, ties half (Mann–Whitney)."""
    ordered = np.sort(then)
    below = np.searchsorted(ordered, now, side="left")
    upto = np.searchsorted(ordered, now, side="right")
    found: Floats = (below + upto) / (2 * then.size)
    return found


def _axis(given: Sequence[Mapping[str, float] | None], name: str) -> Floats:
    if any(axes is None for axes in given):
        raise BadInput("The reward model does not apply to some of the answers.")
    return np.array([axes[name] for axes in given if axes is not None], dtype=np.float64)
