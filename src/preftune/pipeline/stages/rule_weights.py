"""Graded, ordered completions in; the weights of the rules out, by response type."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from preftune.artifacts import write_json_atomic
from preftune.data import load_comparisons
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.engines import as_completion, open_reward_model
from preftune.pipeline.rule_models import WEIGHTS_FILE, open_rule_model
from preftune.recipe.rule_model import RuleWeightsStage
from preftune.records import Axes, BadInput, Comparison
from preftune.rewards import Ordered, fit_rule_weights
from preftune.stats import share_estimate


def run(context: StageContext[RuleWeightsStage]) -> StageOutcome:
    settings = context.settings
    comparisons = load_comparisons(context.inputs["rankings"])[: settings.limit]
    ordered = _ordered(context, comparisons)
    held = _held_out(context, comparisons)
    kinds: dict[str, list[int]] = {}
    for place, comparison in enumerate(comparisons):
        kind = str(comparison.prompt.columns.get(settings.rules.column) or "")
        kinds.setdefault(kind, []).append(place)
    weights, said = {}, {}
    for kind, places in sorted(kinds.items()):
        train = [ordered[i] for i in places if comparisons[i].prompt.id not in held]
        if not train:
            raise BadInput(f"No comparison of response type {kind!r} is left to fit weights on.")
        fitted = fit_rule_weights(train, weight_decay=settings.weight_decay)
        weights[kind] = dict(fitted.weights)
        test = [i for i in places if comparisons[i].prompt.id in held]
        said[kind or "all"] = {
            "comparisons": len(train),
            "loss": fitted.loss,
            "loss_without": _loss(train, {}),
            "weights": weights[kind],
            **_accuracy(ordered, comparisons, test, weights[kind]),
        }
    write_json_atomic(context.folder / WEIGHTS_FILE, {"format": 1, "weights": weights})
    return StageOutcome({"weights": WEIGHTS_FILE}, {"response_types": said})


def _ordered(
    context: StageContext[RuleWeightsStage], comparisons: Sequence[Comparison]
) -> list[Ordered]:
    settings = context.settings
    better = [as_completion(c.prompt, c.chosen) for c in comparisons]
    worse = [as_completion(c.prompt, c.rejected) for c in comparisons]
    score = open_rule_model(context, "rules.model", settings.rules)
    graded = [_named(axes, settings.rules.texts) for axes in score([*better, *worse])]
    base = [0.0] * len(graded)
    if settings.reward_model is not None:
        told = open_reward_model(context, "reward_model")([*better, *worse])
        base = [0.0 if axes is None else axes["score"] for axes in told]
    count = len(comparisons)
    return [
        Ordered(graded[i], graded[count + i], base[i], base[count + i], settings.margin)
        for i in range(count)
    ]


def _named(axes: Axes | None, names: Mapping[str, str]) -> dict[str, float]:
    assert axes is not None
    return {name: axes[name] for name in names}


def _held_out(
    context: StageContext[RuleWeightsStage], comparisons: Sequence[Comparison]
) -> set[str]:
    """The prompts that the order is measured on."""
    prompts = list(dict.fromkeys(c.prompt.id for c in comparisons))
    order = np.random.default_rng(context.seed_for("split")).permutation(len(prompts)).tolist()
    count = max(round(len(prompts) * context.settings.test_fraction), 1)
    return {prompts[place] for place in order[:count]}


def _loss(pairs: Sequence[Ordered], weights: Mapping[str, float]) -> float:
    return float(np.mean([max(0.0, pair.margin - _ahead(pair, weights)) for pair in pairs]))


def _ahead(pair: Ordered, weights: Mapping[str, float]) -> float:
    rules = sum(w * (pair.better[n] - pair.worse[n]) for n, w in weights.items())
    return pair.better_base - pair.worse_base + rules


def _accuracy(
    ordered: Sequence[Ordered],
    comparisons: Sequence[Comparison],
    places: Sequence[int],
    weights: Mapping[str, float],
) -> dict[str, Any]:
    """Share of held-out comparisons in the right order, with the rules and without them."""
    if not places:
        return {"accuracy": None, "accuracy_without": None}
    units = [comparisons[i].prompt.id for i in places]
    found = {}
    for name, given in (("accuracy", weights), ("accuracy_without", {})):
        right = [_ahead(ordered[i], given) > 0 for i in places]
        found[name] = share_estimate(right, units).as_json()
    return found
