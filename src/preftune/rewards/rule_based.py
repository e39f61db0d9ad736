"""OpenAI's rule-based rewards: weighed propositions added to a helpful-only reward model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from preftune.maths.rule_weights import ordering_loss, smooth_ordering_loss
from preftune.records import Axes, BadInput, Completion, Score

WIDTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""Widths of the smoothed hinge, each fit starting from the one before, in units of the mean
margin: the last is above the hinge by at most 7e-5 of it."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """Two completions of one prompt, the better first: what was graded and what they score.

    ``base`` is the helpful-only reward model's score, ``margin`` how far apart the sums should be.
    """

    better: Mapping[str, float]
    worse: Mapping[str, float]
    better_base: float = 0.0
    worse_base: float = 0.0
    margin: float = 1.0


@dataclass(frozen=True, slots=True)
class RuleWeights:
    """The fitted weight of every proposition, and the loss that is left."""

    weights: Mapping[str, float]
    loss: float


def fit_rule_weights(pairs: Sequence[Ordered], *, weight_decay: float = 0.0) -> RuleWeights:
    """The weights with the least hinge loss over ordered completions (Mu et al. 2024, eq. 2).

    mean max(0, margin − (R(better) − R(worse))) + weight_decay / 2 · |w|², R = base + Σ w φ. The
    hinge is smoothed less and less and each solved by L-BFGS, so that the loss is that of the exact
    linear programme to within 1e-4 of the margin; the paper takes 1000 steps of AdamW. Weights
    start at 0. Raises :class:`BadInput` for no pairs or propositions that differ.
    """
    if not pairs:
        raise BadInput("There are no ordered completions to fit weights on.")
    names = sorted(pairs[0].better)
    if any(sorted(graded) != names for pair in pairs for graded in (pair.better, pair.worse)):
        raise BadInput("Every completion needs a grade for every proposition.")
    table = torch.tensor(
        [[pair.better[n] - pair.worse[n] for n in names] for pair in pairs], dtype=torch.float64
    ).reshape(len(pairs), len(names))
    base = torch.tensor([p.better_base - p.worse_base for p in pairs], dtype=torch.float64)
    margins = torch.tensor([pair.margin for pair in pairs], dtype=torch.float64)
    given = {"features_PK": table, "base_P": base, "margins_P": margins}
    weights = torch.zeros(len(names), dtype=torch.float64)
    scale = float(margins.abs().mean()) or 1.0
    for width in WIDTHS:
        weights = _solved(weights, given, width * scale, weight_decay)
        if float(ordering_loss(weights_K=weights, **given)) == 0 and weight_decay == 0:
            break
    loss = float(ordering_loss(weights_K=weights, **given))
    return RuleWeights(dict(zip(names, weights.tolist(), strict=True)), loss)


def _solved(
    start: torch.Tensor, given: Mapping[str, torch.Tensor], width: float, weight_decay: float
) -> torch.Tensor:
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weights],
        max_iter=200,
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = smooth_ordering_loss(weights_K=weights, width=width, **given)
        value = value + weight_decay / 2 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()


@dataclass(frozen=True, slots=True)
class RuleBasedScore:
    """Σ w_i φ_i by the response type that a prompt asks for, a :class:`preftune.records.Score`.

    ``graded`` gives every proposition's probability by name; ``weights`` are by response type
    (hard refusal, safe refusal, comply), found in a prompt's ``column``. Does not apply to
    prompts without a type that has weights, or where a proposition has no grade. Each
    proposition stands beside the sum under its name.
    """

    graded: Score
    weights: Mapping[str, Mapping[str, float]]
    column: str = "response_type"

    @property
    def origin(self) -> str:
        return self.graded.origin

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        found: list[Axes | None] = [None] * len(completions)
        known = [
            place
            for place, completion in enumerate(completions)
            if completion.prompt.columns.get(self.column) in self.weights
        ]
        grades = self.graded([completions[place] for place in known])
        for place, axes in zip(known, grades, strict=True):
            weights = self.weights[str(completions[place].prompt.columns[self.column])]
            if axes is None or not set(weights) <= set(axes):
                continue
            total = sum(weight * axes[name] for name, weight in weights.items())
            found[place] = {**{name: axes[name] for name in weights}, "score": total}
        return found
