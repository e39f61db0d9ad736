"""What labels cost and buy: ``preftune label economics FILE``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from preftune.cli.label_agreement import ratings_of_votes, votes_in
from preftune.cli.reply import facts, shown
from preftune.records import BadInput, Estimate
from preftune.stats import (
    Ratings,
    VarianceParts,
    allocate,
    comparisons_for_width,
    comparisons_to_detect,
    fit_learning_curve,
    majority_accuracy,
    next_labels,
    percent_agreement,
    rater_accuracy,
    variance_parts,
)

RATERS = (1, 3, 5)
WIN_RATES = (0.52, 0.55, 0.6)
"""True win rates for which the number of comparisons is given."""


@dataclass(frozen=True)
class Prices:
    """What a label and a further item cost, and how precise a win rate should be."""

    label: float
    item: float
    half_width: float
    more: int


def file_economics(
    file: str,
    prices: Prices,
    *,
    cluster: str = "prompt",
    curve: str | None = None,
    seed: int = 0,
    skip_bad: int = 0,
) -> dict[str, Any]:
    """What ``label economics`` says: precision, raters or items, and the next labels.

    Votes count 1 for a, 0 for b, .5 for a tie; votes that both are bad are left out.
    """
    cast = votes_in(file, cluster, skip_bad)
    answers, _ = ratings_of_votes(cast, frozenset({"a", "tie", "b"}))
    worth = Ratings(
        answers.item, answers.rater, (answers.values + 1) / 2, answers.items, answers.raters
    )
    rng = np.random.default_rng(seed)
    alone = len(set(cast.clusters)) < 2
    parts = variance_parts(worth, None if alone else cast.clusters, rng=rng)
    effect = design_effect_of(worth, cast.clusters) if not alone else 1.0
    found: dict[str, Any] = {
        "path": file,
        "labels": int(worth.values.size),
        "items": int(np.unique(worth.item).size),
        "spent": prices.label * worth.values.size + prices.item * np.unique(worth.item).size,
        "design_effect": effect,
        "for_half_width": _precision(prices, effect),
        "to_detect": {
            f"{rate:g}": comparisons_to_detect(rate, design_effect=effect) for rate in WIN_RATES
        },
        "raters": _raters(answers, parts),
        "next": _allocation(prices, parts),
    }
    if curve is not None:
        found["learning_curve"] = _curve(curve, prices, rng)
    return found


def design_effect_of(ratings: Ratings, clusters: list[str]) -> float:
    """Variance of the mean over items clustered, over that of independent items; at least 1."""
    n = np.bincount(ratings.item, minlength=ratings.items)
    total = np.bincount(ratings.item, weights=ratings.values, minlength=ratings.items)
    seen = n > 0
    away = total[seen] / n[seen]
    away = away - away.mean()
    codes = np.unique(np.array(clusters)[seen], return_inverse=True)[1]
    sums = np.bincount(codes, weights=away)
    if sums.size < 2 or not away.any():
        return 1.0
    plain = float(away @ away) * away.size / (away.size - 1)
    return max(1.0, float(sums @ sums) * sums.size / (sums.size - 1) / plain)


def show_economics(found: Mapping[str, Any], console: Console) -> None:
    """The same for people."""
    wanted, bought = found["for_half_width"], found["next"]
    rows: list[tuple[str, object]] = [
        ("labels, items", f"{found['labels']}, {found['items']}; {found['spent']:.2f} spent"),
        ("one comparison a prompt is worth", f"{found['design_effect']:.2f} of these"),
        (
            f"a win rate ± {wanted['half_width']:g}",
            f"{wanted['comparisons']} comparisons, {wanted['cost']:.2f}",
        ),
        *(
            (f"to find a win rate of {rate}", f"{count} comparisons")
            for rate, count in found["to_detect"].items()
        ),
        ("reliability of one vote", shown(found["raters"]["single"])),
        *(
            (f"majority of {k} right", f"{share:.3f} (equally good, independent raters)")
            for k, share in (found["raters"]["majority_accuracy"] or {}).items()
        ),
        (
            f"the next {bought['cost']:.2f}",
            f"{bought['items']} items with {bought['raters']} votes each: "
            f"the mean ± {bought['half_width']:.4f}",
        ),
    ]
    if "learning_curve" in found:
        fit = found["learning_curve"]
        rows += [
            (f"the next {fit['more']} labels", f"{shown(fit['gain'], True)} points"),
            ("their cost", f"{fit['cost']:.2f}"),
            ("money a point", shown(fit["cost_per_point"])),
        ]
    console.print(facts(rows))


def _precision(prices: Prices, effect: float) -> dict[str, Any]:
    count = comparisons_for_width(prices.half_width, design_effect=effect)
    return {
        "half_width": prices.half_width,
        "comparisons": count,
        "cost": count * (prices.label + prices.item),
    }


def _raters(answers: Ratings, parts: VarianceParts) -> dict[str, Any]:
    decided = answers.values != 0
    two_way = Ratings(
        answers.item[decided],
        answers.rater[decided],
        answers.values[decided],
        answers.items,
        answers.raters,
    )
    agreement = percent_agreement(two_way)
    sound = np.isfinite(agreement) and agreement >= 0.5
    accuracy = rater_accuracy(agreement) if sound else None
    return {
        "between": parts.between.as_json(),
        "within": parts.within.as_json(),
        "single": parts.single.as_json(),
        "reliability": {str(k): parts.reliability(k) for k in RATERS},
        "accuracy": accuracy,
        "majority_accuracy": None
        if accuracy is None
        else {str(k): majority_accuracy(accuracy, k) for k in RATERS},
    }


def _allocation(prices: Prices, parts: VarianceParts) -> dict[str, Any]:
    budget = prices.more * (prices.label + prices.item)
    best = allocate(parts, budget=budget, cost_per_label=prices.label, cost_per_item=prices.item)
    return {
        "raters": best.raters,
        "items": best.items,
        "cost": best.cost,
        "half_width": best.half_width,
    }


def _curve(file: str, prices: Prices, rng: np.random.Generator) -> dict[str, Any]:
    """Rows ``{"labels", "accuracy": {"value","low","high","count"}}``."""
    from preftune.data import read_rows

    labels, accuracies = [], []
    for place, row in enumerate(read_rows(file), start=1):
        try:
            one = row["accuracy"]
            labels.append(float(row["labels"]))
            accuracies.append(
                Estimate(
                    float(one["value"]), float(one["low"]), float(one["high"]), int(one["count"])
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                "A row of a learning curve has labels and an accuracy with its interval.",
                file=file,
                line=place,
                remedy='{"labels": 1000, "accuracy": {"value": .7, "low": .68, "high": .72, '
                '"count": 900}}',
            ) from error
    fit = fit_learning_curve(labels, accuracies, rng=rng)
    have = max(labels)
    bought = next_labels(fit, have, more=prices.more, cost_per_label=prices.label)
    return {
        "have": have,
        "more": prices.more,
        "ceiling": fit.ceiling,
        "amplitude": fit.amplitude,
        "exponent": fit.exponent,
        "residual": fit.residual,
        "accuracy": fit.at(have).as_json(),
        "gain": bought.gain.as_json(),
        "cost": bought.cost,
        "cost_per_point": bought.cost_per_point.as_json(),
    }
