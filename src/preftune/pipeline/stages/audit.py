"""A reward model on labelled pairs: what it likes too much, in numbers and sentences."""

from preftune.data import load_comparisons
from preftune.evaluation.reward_audit import audit_reward
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.engines import open_reward_model
from preftune.recipe import Audit


def run(context: StageContext[Audit]) -> StageOutcome:
    comparisons = load_comparisons(context.inputs["comparisons"])[: context.settings.limit]
    score = open_reward_model(context, "reward_model")
    phrases = {str(name): texts for name, texts in context.settings.phrases.items()}
    found = audit_reward(score, comparisons, phrases=phrases)
    for sentence in found.sentences:
        context.console.line(sentence)
    return StageOutcome({}, found.as_json() | {"pairs": len(comparisons)})
