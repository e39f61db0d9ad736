"""Several reward models as one :class:`preftune.records.Score`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from preftune.maths.ensembles import centred, mean_score, uncertainty_weighted, worst_case
from preftune.models import LinearModel, LinearShare, Renderer
from preftune.recipe import Aggregation, UncertaintyWeighted
from preftune.records import Axes, BadInput, Completion
from preftune.rewards.reward_model import RewardModelScore


@dataclass(frozen=True, slots=True)
class LinearPart:
    """A linear model of the answers' text, and what the members weigh beside it."""

    model: LinearModel
    share: LinearShare

    def added_to(self, scores: Sequence[float], texts: Sequence[str]) -> list[float]:
        """(linear score − offset) + members_weight · score, for each answer."""
        share = self.share
        alone = (self.model.scores(texts) - share.offset).tolist()
        return [
            linear + share.members_weight * score
            for score, linear in zip(scores, alone, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class EnsembleScore:
    """One ``score`` from the members' scores, and their ``disagreement`` beside it.

    Each member's score is centred by its offset first, because its free constant is its own. The
    disagreement is the members' standard deviation (population), in their own score units. A linear
    model's share is added to what the members say together.
    """

    members: tuple[RewardModelScore, ...]
    offsets: tuple[float, ...]
    aggregation: Aggregation
    temperature: float = 1.0
    linear: LinearPart | None = None
    same_ids: bool = False
    micro_batch_tokens: int = 8192
    origin: str = "model"

    @property
    def renderer(self) -> Renderer:
        return self.members[0].renderer

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        read = [self._scores(member, completions) for member in self.members]
        scores = centred(
            scores_MB=torch.tensor(read, dtype=torch.float64).reshape(len(read), len(completions)),
            offsets_M=torch.tensor(self.offsets, dtype=torch.float64),
        )
        apart = scores.std(0, correction=0).tolist()
        one = aggregated(scores, self.aggregation).tolist()
        if self.linear is not None:
            one = self.linear.added_to(one, [completion.text for completion in completions])
        return [
            {"score": score, "disagreement": spread}
            for score, spread in zip(one, apart, strict=True)
        ]

    def _scores(self, member: RewardModelScore, completions: Sequence[Completion]) -> list[float]:
        reading = replace(
            member, same_ids=self.same_ids, micro_batch_tokens=self.micro_batch_tokens
        )
        return [axes["score"] for axes in reading(completions) if axes is not None]


def aggregated(scores_MB: torch.Tensor, aggregation: Aggregation) -> torch.Tensor:
    """One score an answer, [B], from centred scores. Raises :class:`BadInput` for one member and
    an unbiased variance, which needs two."""
    if isinstance(aggregation, UncertaintyWeighted):
        if len(scores_MB) <= aggregation.ddof:
            raise BadInput(
                "One member has no unbiased variance.", remedy="Set aggregation.ddof = 0."
            )
        return uncertainty_weighted(
            scores_MB=scores_MB, penalty=aggregation.penalty, ddof=aggregation.ddof
        )
    if aggregation.kind == "worst_case":
        return worst_case(scores_MB=scores_MB)
    return mean_score(scores_MB=scores_MB)
