"""Parts of a reward made one in other ways than by a fixed sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from preftune.maths.safety_switch import switched, whitened_logits
from preftune.models import Renderer
from preftune.recipe.profiles import without_weights
from preftune.recipe.several_objectives import SafetySwitch
from preftune.records import Axes, Completion, Prompt, RunFailed, Score

WEIGHTS = "reward_weights"
"""The column of a prompt that says in words how much each part counts, by name."""


@dataclass(frozen=True, slots=True)
class SwitchedSum:
    """Llama 2's choice between two parts, whitened over the responses; other parts are added.

    ``log_odds`` names the parts that are log-odds; every other one must be a probability. Raises
    :class:`RunFailed` where it is none, or where one of the two does not apply.
    """

    switch: SafetySwitch
    log_odds: frozenset[str]

    def __call__(
        self,
        weights: Mapping[str, float],
        axes: Sequence[Axes],
        completions: Sequence[Completion],
    ) -> list[float]:
        switch = self.switch
        tagged = [bool(c.prompt.columns.get(switch.column)) for c in completions]
        probabilities_B = switched(
            helpful_B=self._probabilities(switch.helpful, axes),
            safe_B=self._probabilities(switch.safe, axes),
            tagged_B=torch.tensor(tagged),
            threshold=switch.threshold,
        )
        whitened = whitened_logits(probabilities_B=probabilities_B, clip=switch.clip).tolist()
        chosen = (switch.helpful, switch.safe)
        return [
            value + sum(weights[name] * row[name] for name in row if name not in chosen)
            for value, row in zip(whitened, axes, strict=True)
        ]

    def _probabilities(self, name: str, axes: Sequence[Axes]) -> torch.Tensor:
        if any(name not in row for row in axes):
            raise RunFailed(
                f"The safety switch needs {name!r} for every response, and it says None for one.",
                remedy="Take prompts out to which it does not apply.",
            )
        values = torch.tensor([row[name] for row in axes], dtype=torch.float64)
        if name in self.log_odds:
            return values.sigmoid()
        if ((values < 0) | (values > 1)).any():
            raise RunFailed(
                f"The safety switch reads {name!r} as a probability, and it is "
                f"{float(values.min()):g} to {float(values.max()):g}.",
                remedy="Use a reward model, whose score is read as log-odds, or a rule or judge "
                "that gives 0 to 1.",
            )
        return values


def prompted_sum(
    weights: Mapping[str, float], axes: Sequence[Axes], completions: Sequence[Completion]
) -> list[float]:
    """Σ weight · part with the weights that each prompt itself says where it says some."""
    found = []
    for row, completion in zip(axes, completions, strict=True):
        said = completion.prompt.columns.get(WEIGHTS) or {}
        found.append(sum(said.get(n, weights[n]) * value for n, value in row.items()))
    return found


@dataclass(frozen=True, slots=True)
class UnpromptedScore:
    """A score that sees the prompts without the weights that only the policy is to read."""

    score: Score
    words: str
    renderer: Renderer

    @property
    def origin(self) -> str:
        return self.score.origin

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return self.score([unprompted(c, self.words, self.renderer) for c in completions])


def unprompted(completion: Completion, words: str, renderer: Renderer) -> Completion:
    """The same answer to the prompt without its weights; they stay among its columns."""
    weights = completion.prompt.columns.get(WEIGHTS)
    if not weights:
        return completion
    plain = without_weights(completion.prompt.text, words, weights)
    return replace(
        completion,
        prompt=Prompt(plain, completion.prompt.columns),
        prompt_token_ids=renderer.prompt_ids(plain),
    )
