"""A loaded network made ready for its part in a stage: it learns, or only answers."""

from typing import Any

from transformers import PreTrainedModel

from preftune.models import compute_in, forget_activations
from preftune.pipeline.context import StageContext
from preftune.recipe import Computing
from preftune.training import precision_for


def learner(context: StageContext[Any], model: PreTrainedModel) -> PreTrainedModel:
    """The same network, computing as the stage's settings say, its weights moved by the stage."""
    settings = computing_of(context)
    frozen(context, model)
    if settings.activation_checkpointing:
        forget_activations(model)
    return model


def frozen(context: StageContext[Any], model: PreTrainedModel) -> PreTrainedModel:
    """The same network, computing in the learner's number format: their passes can be compared."""
    compute_in(model, precision_for(computing_of(context).precision, context.device))
    return model


def computing_of(context: StageContext[Any]) -> Computing:
    """How this stage computes: its own settings, or those of the reward model it trains."""
    settings = context.settings
    if isinstance(settings, Computing):
        return settings
    inner = settings.reward_model
    assert isinstance(inner, Computing)
    return inner
