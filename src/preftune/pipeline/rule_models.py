"""Opening a model of rules, and the weights that were fitted for it."""

import json
from pathlib import Path
from typing import Any

from preftune.pipeline.context import StageContext
from preftune.pipeline.engines import open_reward_model
from preftune.recipe.rule_model import RuleModelReward
from preftune.records import BadInput, Score
from preftune.rewards import RewardModelScore, RuleModelScore, WeighedRules

KEY = "rule_words"
"""In a model's config.json: the words before a prompt that a rule is told in."""
WEIGHTS_FILE = "weights.json"


def open_rule_model(
    context: StageContext[Any], role: str, settings: RuleModelReward
) -> RuleModelScore:
    """Raises :class:`BadInput` for a reward model that was not trained on rules."""
    model = open_reward_model(context, role)
    words = getattr(model.model.config, KEY, None) if isinstance(model, RewardModelScore) else None
    if not isinstance(model, RewardModelScore) or words is None:
        raise BadInput(
            "This reward model was not trained on rules.",
            file=context.inputs[role],
            remedy='Train one with objective = { kind = "rules" }.',
        )
    return RuleModelScore(model, words, settings.texts, settings.how)


def open_rules(context: StageContext[Any], role: str, settings: RuleModelReward) -> Score:
    """A model of rules as a score, weighed where the recipe names weights."""
    rules = open_rule_model(context, f"{role}.model", settings)
    if settings.weights is None:
        return rules
    path = context.inputs[f"{role}.weights"]
    return WeighedRules(rules, _weights(path, settings), settings.column)


def _weights(path: Path, settings: RuleModelReward) -> dict[str, dict[str, float]]:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))["weights"]
        weights = {str(k): {str(n): float(w) for n, w in of.items()} for k, of in given.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise BadInput("These are no weights of a rule_weights stage.", file=path) from None
    strange = sorted({name for of in weights.values() for name in of} - set(settings.texts))
    if strange:
        raise BadInput(
            f"There is a weight for {strange[0]!r}, which is none of the rules.",
            file=path,
            remedy=f"Rules: {', '.join(settings.texts)}.",
        )
    return weights
