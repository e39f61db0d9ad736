"""A judge's opinion as a score: ratings (d-RLAIF) and graded propositions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from preftune.judging import Ask, NoVerdict, Response, Template, propositions_hold, rate
from preftune.judging.grading import MOST, QUALITY
from preftune.records import Axes, Completion, RunFailed


@dataclass(frozen=True, slots=True)
class RatingScore:
    """The judge's expected rating in [−1, 1] as the axis ``score`` (Lee et al. 2023, d-RLAIF).

    None where the judge's answer was unclear. Raises :class:`RunFailed` where it could not be
    asked: a failure is no verdict, and no reward either.
    """

    ask: Ask
    question: str = QUALITY
    highest: int = MOST
    prompt: Template | None = None
    origin: str = "judge"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        responses = [Response(c.prompt, c.text) for c in completions]
        ratings = rate(
            responses, self.ask, question=self.question, highest=self.highest, prompt=self.prompt
        )
        _no_failures(ratings)
        return [None if isinstance(r, NoVerdict) else {"score": r} for r in ratings]


@dataclass(frozen=True, slots=True)
class PropositionScore:
    """P(it holds) of each named proposition, an axis each; ``score`` is Σ weight · P.

    Without ``weights`` it is their mean. None where any is unclear. Raises as
    :class:`RatingScore` does.
    """

    ask: Ask
    propositions: Mapping[str, str]
    prompt: Template | None = None
    weights: Mapping[str, float] | None = None
    origin: str = "judge"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        responses = [Response(c.prompt, c.text) for c in completions]
        graded = propositions_hold(responses, self.propositions, self.ask, prompt=self.prompt)
        _no_failures([grade for row in graded for grade in row.values()])
        return [self._axes(row) for row in graded]

    def _axes(self, graded: Mapping[str, float | NoVerdict]) -> Axes | None:
        known = {name: grade for name, grade in graded.items() if not isinstance(grade, NoVerdict)}
        if len(known) < len(graded):
            return None
        weights = self.weights or dict.fromkeys(known, 1 / len(known))
        return {**known, "score": sum(weights[name] * p for name, p in known.items())}


def _no_failures(found: Sequence[float | NoVerdict]) -> None:
    failed = [f for f in found if isinstance(f, NoVerdict) and f.kind == "failed"]
    if failed:
        raise RunFailed(
            f"The judge did not answer {len(failed)} of {len(found)} questions "
            f"({failed[0].detail}).",
            remedy="Run the same command again; it continues.",
        )
