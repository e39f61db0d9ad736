"""What a model of rules says of responses: P(kept) of each rule, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum

import numpy as np

from preftune.maths.rule_models import log_kept
from preftune.recipe.profiles import with_said
from preftune.records import Axes, Completion, Prompt, RunFailed, Score
from preftune.rewards.reward_model import RewardModelScore

PLACE = "{rule}"
"""What a rule's words take the place of, in the words before a prompt."""


@dataclass(frozen=True, slots=True)
class RuleModelScore:
    """P(kept) of every rule as an axis of its name, and ``score`` from ``how``.

    ``model`` is a reward model with the objective ``rules``, whose score is the log-odds that the
    rule in the prompt was kept; it reads text, never the policy's ids.
    """

    model: RewardModelScore
    words: str
    texts: Mapping[str, str]
    how: str = "mean_log"
    origin: str = "model"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        asked = [
            replace(c, prompt=conditioned(c.prompt, self.words, text), token_ids=())
            for text in self.texts.values()
            for c in completions
        ]
        odds = [_score(axes) for axes in self.model(asked)]
        count = len(completions)
        table = np.array(odds).reshape(len(self.texts), count).T
        logs = log_kept(log_odds=table)
        kept = np.exp(logs)
        totals = {"mean": kept.mean(1), "mean_log": logs.mean(1), "sum_log": logs.sum(1)}[self.how]
        return [
            {"score": float(total), **dict(zip(self.texts, row.tolist(), strict=True))}
            for total, row in zip(totals, kept, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class WeighedRules:
    """Σ weight · P(kept) by the response type that a prompt's column says.

    Prompts without a type that has weights have those of the type ``""``, where there are some,
    else the score does not apply.
    """

    rules: RuleModelScore
    weights: Mapping[str, Mapping[str, float]]
    column: str
    origin: str = "model"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        graded = self.rules(completions)
        return [self._weighed(c, axes) for c, axes in zip(completions, graded, strict=True)]

    def _weighed(self, completion: Completion, axes: Axes | None) -> Axes | None:
        kind = str(completion.prompt.columns.get(self.column) or "")
        weights = self.weights.get(kind, self.weights.get(""))
        if axes is None or weights is None:
            return None
        total = fsum(weight * axes[name] for name, weight in weights.items())
        return {**axes, "score": total}


@dataclass(frozen=True, slots=True)
class RerankScore:
    """Sparrow's order of several responses to one prompt (Glaese et al. 2022).

    log σ(R − mean R of the same prompt's responses) + Σ log P(kept): the preference model's odds
    against an ordinary response, times the probability that no rule is broken.
    """

    preference: Score
    rules: Score

    @property
    def origin(self) -> str:
        return self.preference.origin

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        preferred = [_score(axes) for axes in self.preference(completions)]
        kept = [_score(axes) for axes in self.rules(completions)]
        groups: dict[str, list[float]] = {}
        for completion, value in zip(completions, preferred, strict=True):
            groups.setdefault(completion.prompt.id, []).append(value)
        means = {name: fsum(values) / len(values) for name, values in groups.items()}
        above = np.array(
            [v - means[c.prompt.id] for c, v in zip(completions, preferred, strict=True)]
        )
        totals = log_kept(log_odds=above) + np.array(kept)
        return [
            {"score": float(total), "preference": p, "rules": k}
            for total, p, k in zip(totals, preferred, kept, strict=True)
        ]


def conditioned(prompt: Prompt, words: str, rule: str) -> Prompt:
    """The prompt with a rule before its first turn of a user."""
    return Prompt(with_said(prompt.text, words.replace(PLACE, rule)), prompt.columns)


def _score(axes: Axes | None) -> float:
    if axes is None:
        raise RunFailed("A model said nothing of a response.")
    return axes["score"]
