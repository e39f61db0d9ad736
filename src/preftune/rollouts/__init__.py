"""Engines that turn prompts into completions with the current weights."""

from preftune.rollouts.best_of import BestOf, Picked
from preftune.rollouts.choosing import NativeChoose, as_turns
from preftune.rollouts.hosted import Backend, HostedEngine
from preftune.rollouts.native import NativeEngine
from preftune.rollouts.transformers_engine import TransformersBackend
from preftune.rollouts.vllm_fleet import VLLMFleet
from preftune.rollouts.vllm_local import VLLMBackend
from preftune.rollouts.vllm_weights import WeightsFolder

__all__ = [
    "Backend",
    "BestOf",
    "HostedEngine",
    "NativeChoose",
    "NativeEngine",
    "Picked",
    "TransformersBackend",
    "VLLMBackend",
    "VLLMFleet",
    "WeightsFolder",
    "as_turns",
]
