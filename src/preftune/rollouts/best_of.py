"""Best of n while sampling: draw n responses, keep the one a score likes best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from preftune.records import BadInput, Completion, Generate, Prompt, RunFailed, Sampling, Score


class Picked(NamedTuple):
    """The response kept, and its score."""

    completion: Completion
    score: float


@dataclass(frozen=True, slots=True)
class BestOf:
    """A :class:`preftune.records.Generate` that answers with the best of ``n`` responses.

    Its distribution is up to log n − (n − 1)/n nats from the policy's
    (:func:`preftune.evaluation.best_of_n_kl`). Equal scores: the first drawn.
    """

    generate: Generate
    score: Score
    n: int

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        return [picked.completion for picked in self.pick(prompts, sampling)]

    def pick(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Picked]:
        """The best response to each prompt with its score.

        Raises :class:`BadInput` for greedy sampling, whose n responses would be one, and
        :class:`RunFailed` where no response to a prompt has a score.
        """
        if self.n > 1 and sampling.temperature == 0:
            raise BadInput(
                f"Best of {self.n} needs {self.n} different responses, and at temperature 0 "
                "there is one.",
                remedy="Raise the temperature.",
            )
        many = self.generate([prompt for prompt in prompts for _ in range(self.n)], sampling)
        scored = [
            None if axes is None else Picked(completion, axes["score"])
            for completion, axes in zip(many, self.score(many), strict=True)
        ]
        return [
            best(prompt, scored[place * self.n : (place + 1) * self.n])
            for place, prompt in enumerate(prompts)
        ]


def best(prompt: Prompt, scored: Sequence[Picked | None]) -> Picked:
    """The highest score, the first of equals."""
    known = [picked for picked in scored if picked is not None]
    if not known:
        raise RunFailed(
            f"No response to prompt {prompt.id!r} has a score to pick by.",
            remedy="Take a score that applies to every prompt.",
        )
    return max(known, key=lambda picked: picked.score)
