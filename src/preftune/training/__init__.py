"""The mechanism algorithms call: steps, schedules, order, checkpoints, the journal."""

from preftune.training.best import Best
from preftune.training.checkpoint import Tensors, load_weights, weights_of
from preftune.training.hardware import bfloat16_unit, precision_for, processor_flags
from preftune.training.journal import Journal
from preftune.training.order import batch_indices, shuffled, steps_per_epoch
from preftune.training.owned import owned_parameters
from preftune.training.schedule import learning_rate
from preftune.training.step import Besides, Loss, StepReport, Training
from preftune.training.workers import dealt, set_workers, side_by_side, workers

__all__ = [
    "Besides",
    "Best",
    "Journal",
    "Loss",
    "StepReport",
    "Tensors",
    "Training",
    "batch_indices",
    "bfloat16_unit",
    "dealt",
    "learning_rate",
    "load_weights",
    "owned_parameters",
    "precision_for",
    "processor_flags",
    "set_workers",
    "shuffled",
    "side_by_side",
    "steps_per_epoch",
    "weights_of",
    "workers",
]
