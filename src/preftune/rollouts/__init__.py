"""Engines that turn prompts into completions with the current weights."""

from preftune.rollouts.best_of import BestOf, Picked
from preftune.rollouts.choosing import NativeChoose, as_turns
from preftune.rollouts.native import NativeEngine

__all__ = ["BestOf", "NativeChoose", "NativeEngine", "Picked", "as_turns"]
