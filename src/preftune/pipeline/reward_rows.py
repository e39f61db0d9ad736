"""Records of every kind a reward model learns from, as rows of token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from preftune.algorithms.reward_batches import Pair, Ranked, Rated, Stepped
from preftune.algorithms.reward_model import Example
from preftune.data import (
    load_comparisons,
    load_judged,
    load_rankings,
    load_ratings,
    load_stepwise,
    load_weighed,
    require_annotators,
)
from preftune.models import Axes, Renderer, Row, Steps, collate, fit_rows, step_ends
from preftune.recipe import (
    AxesRegression,
    BradleyTerry,
    Process,
    RatingRegression,
    RewardModel,
    Rules,
)
from preftune.recipe.profiles import with_said
from preftune.records import (
    BadInput,
    Comparison,
    Judged,
    Prompt,
    Ranking,
    Rating,
    Stepwise,
)

RULE = "rule_text"
"""The column with a rule's words."""

LLAMA2_MARGINS = {
    "llama2_small": {"significantly": 1.0, "better": 2 / 3, "slightly": 1 / 3, "negligibly": 0.0},
    "llama2_large": {"significantly": 3.0, "better": 2.0, "slightly": 1.0, "negligibly": 0.0},
}
"""Touvron et al. 2023, table 27: the margin by how much better the chosen answer is."""


def read_records(path: Path, settings: RewardModel, *, train: bool) -> list[Any]:
    """The records the objective learns from. Raises :class:`BadInput`."""
    objective, skip_bad = settings.objective, settings.skip_bad
    if objective.kind in ("plackett_luce", "best_of_softmax"):
        rankings = load_rankings(path, skip_bad=skip_bad)
        return _usable(rankings, objective.kind, path, skip_bad)
    if objective.kind in ("rating", "axes"):
        return load_ratings(path, skip_bad=skip_bad)
    if objective.kind == "rules":
        return load_judged(path, skip_bad=skip_bad)
    if objective.kind == "process":
        return load_stepwise(path, skip_bad=skip_bad)
    keep_ties = isinstance(objective, BradleyTerry) and objective.ties == "half"
    if not settings.annotator_weights and not keep_ties:
        return load_comparisons(path, skip_bad=skip_bad)
    if train and settings.annotator_weights:
        require_annotators(path, settings.annotator_weights, skip_bad=skip_bad)
    return load_weighed(
        path,
        annotator_weights=settings.annotator_weights,
        keep_ties=keep_ties,
        skip_bad=skip_bad,
    )


def axes_for(settings: RewardModel, records: Sequence[Any], path: Path) -> Axes | None:
    """The model's outputs where it has names for them, in the units of the training ratings."""
    objective = settings.objective
    if isinstance(objective, BradleyTerry) and objective.safety is not None:
        return Axes(("score", "safe"), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0))
    if isinstance(objective, RatingRegression):
        names: tuple[str, ...] = (_only_axis(objective, records, path),)
        weights: tuple[float, ...] = (1.0,)
    elif isinstance(objective, AxesRegression):
        names, weights = objective.axes, objective.score_weights()
    else:
        return None
    spread = [_spread(name, records, path) for name in names]
    return Axes(
        names,
        weights,
        gains=tuple(deviation for _, deviation in spread),
        biases=tuple(mean for mean, _ in spread),
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """How records become rows: the renderer, the recipe, and what the model's head is."""

    renderer: Renderer
    settings: RewardModel
    axes: Axes | None
    steps: Steps | None
    device: torch.device

    def of(self, records: Sequence[Any], path: Path) -> Sequence[Example]:
        """Examples that fit into the context; one stays or goes as a whole."""
        kind = self.settings.objective.kind
        if kind in ("plackett_luce", "best_of_softmax"):
            return self._ranked(records)
        if kind in ("rating", "axes"):
            return self._rated(records, path)
        if kind == "rules":
            return self._ruled(records, path)
        if kind == "process":
            return self._stepped(records, path)
        return pairs_of(records, self.renderer, self.settings)

    def _ranked(self, rankings: Sequence[Ranking]) -> list[Ranked]:
        answers = [
            self.renderer.rows((r.prompt.text, text) for text in r.completions) for r in rankings
        ]
        kept, _ = self._fitting([max(rows, key=len) for rows in answers])
        longest, cut = self._longest, self.settings.too_long
        return [
            Ranked(
                tuple(fit_rows(answers[i], longest, cut)[0]),
                rankings[i].ranks,
                rankings[i].prompt.id,
            )
            for i in kept
        ]

    def _rated(self, ratings: Sequence[Rating], path: Path) -> list[Rated]:
        assert self.axes is not None
        names = self.axes.names
        ratings = [r for r in ratings if any(r.ratings.get(name) is not None for name in names)]
        if not ratings:
            raise BadInput(
                f"No row has a rating on {' or '.join(names)}.",
                file=path,
                remedy="Name an axis that is rated there.",
            )
        kept, rows = self._fitting(
            self.renderer.rows((r.prompt.text, r.completion) for r in ratings)
        )
        return [
            Rated(row, tuple(ratings[i].ratings.get(n) for n in names), ratings[i].prompt.id)
            for i, row in zip(kept, rows, strict=True)
        ]

    def _ruled(self, answers: Sequence[Judged], path: Path) -> list[Rated]:
        objective = self.settings.objective
        assert isinstance(objective, Rules)
        rows = []
        for answer in answers:
            rule = answer.prompt.columns.get(RULE)
            if not isinstance(rule, str) or not rule.strip():
                raise BadInput(
                    f"An answer to prompt {answer.prompt.id} has no {RULE}.",
                    file=path,
                    remedy="Give the rule's words in that column, as a rule project exports them.",
                )
            asked = with_said(answer.prompt.text, objective.words.replace("{rule}", rule))
            rows.append(self.renderer.row(Prompt(asked, answer.prompt.columns), answer.completion))
        kept, fitted = self._fitting(rows)
        return [
            Rated(row, (float(answers[i].label),), answers[i].prompt.id)
            for i, row in zip(kept, fitted, strict=True)
        ]

    def _stepped(self, answers: Sequence[Stepwise], path: Path) -> list[Stepped]:
        assert self.steps is not None and isinstance(self.settings.objective, Process)
        separator = self.settings.objective.separator
        for answer in answers:
            if any(separator in step for step in answer.steps):
                raise BadInput(
                    f"A step of prompt {answer.prompt.id} holds the separator {separator!r}.",
                    file=path,
                    remedy="Name another objective.separator, or cut the step in two.",
                )
        rows = self.renderer.rows((a.prompt.text, separator.join(a.steps)) for a in answers)
        kept, fitted = self._fitting(rows)
        made = []
        for i, row in zip(kept, fitted, strict=True):
            mask = step_ends(collate([row], 0, self.device), self.steps)[0]
            ends = tuple(torch.nonzero(mask).flatten().tolist())
            if len(ends) != len(answers[i].labels):
                raise BadInput(
                    f"An answer to prompt {answers[i].prompt.id} has {len(answers[i].labels)} "
                    f"labels and {len(ends)} ends of steps.",
                    file=path,
                    remedy="It is too long for the context, or the tokenizer joins the separator "
                    'with a step: raise max_length, set too_long = "skip" or name another one.',
                )
            made.append(Stepped(row, ends, answers[i].labels, answers[i].prompt.id))
        return made

    @property
    def _longest(self) -> int:
        return min(self.settings.max_length or self.renderer.context, self.renderer.context)

    def _fitting(self, rows: Sequence[Row]) -> tuple[list[int], list[Row]]:
        fitted, told = fit_rows(rows, self._longest, self.settings.too_long)
        return told.kept, fitted


def pairs_of(
    comparisons: Sequence[Comparison], renderer: Renderer, settings: RewardModel
) -> list[Pair]:
    """Comparisons as rows of ids, fitted into the context; a pair stays or goes as a whole."""
    longest = min(settings.max_length or renderer.context, renderer.context)
    answers = {(c.prompt.text, text) for c in comparisons for text in (c.chosen, c.rejected)}
    read = dict(zip(answers, renderer.rows(answers), strict=True))
    chosen = [read[c.prompt.text, c.chosen] for c in comparisons]
    rejected = [read[c.prompt.text, c.rejected] for c in comparisons]
    kept = list(range(len(comparisons)))
    if settings.too_long == "skip":
        longer = [max(a, b, key=len) for a, b in zip(chosen, rejected, strict=True)]
        kept = fit_rows(longer, longest, "skip")[1].kept
    fitted, _ = fit_rows([chosen[i] for i in kept], longest, settings.too_long)
    other, _ = fit_rows([rejected[i] for i in kept], longest, settings.too_long)
    return [
        Pair(
            chosen=a,
            rejected=b,
            probability=_target(comparisons[i], settings),
            margin=_margin(comparisons[i], settings),
            weight=comparisons[i].weight,
            prompt=comparisons[i].prompt.id,
            safe=_safe(comparisons[i], settings),
            observed=comparisons[i].probability,
            texts=(comparisons[i].chosen, comparisons[i].rejected),
        )
        for i, a, b in zip(kept, fitted, other, strict=True)
    ]


def _target(comparison: Comparison, settings: RewardModel) -> float:
    """The share of votes for soft labels; for hard ones 1, and .5 for a tie that is kept."""
    objective = settings.objective
    keep_ties = isinstance(objective, BradleyTerry) and objective.ties == "half"
    if settings.labels == "soft" or (keep_ties and comparison.probability == 0.5):
        return comparison.probability
    return 1.0


def _margin(comparison: Comparison, settings: RewardModel) -> float:
    objective = settings.objective
    if not isinstance(objective, BradleyTerry) or objective.margins == "column":
        return comparison.margin
    margins = LLAMA2_MARGINS[objective.margins]
    given = comparison.columns.get(objective.strength_column)
    word = str(given).lower().removesuffix(" better").strip()
    if word not in margins:
        raise BadInput(
            f'The column "{objective.strength_column}" of prompt {comparison.prompt.id} is '
            f"{given!r}.",
            remedy=f"It is one of {', '.join(margins)}.",
        )
    return margins[word]


def _safe(comparison: Comparison, settings: RewardModel) -> tuple[float | None, float | None]:
    """The safety labels of both sides, None without an auxiliary loss or a label."""
    objective = settings.objective
    if not isinstance(objective, BradleyTerry) or objective.safety is None:
        return None, None
    column = objective.safety.column
    return tuple(  # type: ignore[return-value]
        _label(comparison.columns, f"{column}_{side}") for side in ("chosen", "rejected")
    )


def _label(columns: Mapping[str, Any], name: str) -> float | None:
    value = columns.get(name)
    if value is None:
        return None
    if value not in (0, 1):
        raise BadInput(f'The column "{name}" holds {value!r}.', remedy="It is true, false or null.")
    return float(value)


def _usable(rankings: Sequence[Ranking], kind: str, path: Path, skip_bad: int) -> list[Ranking]:
    """Rankings that say what the objective needs; more than ``skip_bad`` others are refused."""
    kept: list[Ranking] = []
    bad: list[Ranking] = []
    for ranking in rankings:
        places = sorted(ranking.ranks)
        upper = [p for p in places if p < places[-1]] if kind == "plackett_luce" else places[:2]
        unclear = len(set(upper)) < len(upper) or places[0] == places[-1]
        (bad if unclear else kept).append(ranking)
    if len(bad) > skip_bad or not kept:
        what = "best answers" if kind == "best_of_softmax" else "answers above the last place"
        raise BadInput(
            f"The ranking {bad[0].group_id} has {what} that tie.",
            file=path,
            remedy='Use objective.kind = "k_wise", which drops ties, or allow some with skip_bad.',
        )
    return kept


def _only_axis(objective: RatingRegression, records: Sequence[Rating], path: Path) -> str:
    if objective.axis is not None:
        return objective.axis
    names = sorted({name for record in records for name in record.ratings})
    if len(names) != 1:
        raise BadInput(
            f"The rows are rated on {', '.join(names)}, and no axis is named.",
            file=path,
            remedy="Set objective.axis to one of them.",
        )
    return names[0]


def _spread(name: str, records: Sequence[Rating], path: Path) -> tuple[float, float]:
    """Mean and population deviation of an axis. Raises :class:`BadInput` when it says nothing."""
    given = [r.ratings[name] for r in records if r.ratings.get(name) is not None]
    if not given:
        known = sorted({axis for record in records for axis in record.ratings})
        raise BadInput(
            f'No row has a rating on "{name}".',
            file=path,
            remedy=f"Axes there: {', '.join(known)}.",
        )
    values = np.array(given, dtype=np.float64)
    if float(values.std()) == 0.0:
        raise BadInput(
            f'All ratings on "{name}" are {values[0]:g}, so there is nothing to learn.',
            file=path,
            remedy="Leave the axis out.",
        )
    return float(values.mean()), float(values.std())
