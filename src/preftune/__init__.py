"""preftune: people's preferences in, a better language model out, with the evidence.

The public functions are found when they are first asked for, so that ``import preftune`` is quick
and what needs no torch works without it. They return what the command line prints with ``--json``
and raise :class:`preftune.BadInput` or :class:`preftune.RunFailed`.
"""

import logging
from importlib import import_module

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it misses a product nobody asks for

__version__ = "0.1.0"

_PUBLIC = {
    "run": "preftune.pipeline.front",
    "quickstart": "preftune.pipeline.front",
    "evaluate_reward_model": "preftune.pipeline.measure",
    "evaluate_win_rate": "preftune.pipeline.measure",
    "evaluate_policy": "preftune.pipeline.measure",
    "Drawing": "preftune.pipeline.measure",
    "load_recipe": "preftune.recipe",
    "lineage": "preftune.artifacts",
    "write_report": "preftune.reports",
    "compare_runs": "preftune.reports",
    "write_comparison": "preftune.reports",
    "inspect_data": "preftune.data:inspect",
    "check_data": "preftune.data:check",
    "convert_data": "preftune.data:convert",
    "split_data": "preftune.data:split",
    "PreftuneError": "preftune.records",
    "BadInput": "preftune.records",
    "RunFailed": "preftune.records",
    "GateRefused": "preftune.records",
}
"""Public name → the module it is in, and after a colon its name there where it is another."""

_TRAIN = {"torch", "transformers", "tokenizers", "safetensors", "sklearn", "huggingface_hub"}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'preftune' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    try:
        found = getattr(import_module(module), attribute or name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _TRAIN:
            raise
        raise ImportError(
            f"preftune.{name} needs {error.name}, which is not installed. "
            "Run: pip install 'preftune[train]'"
        ) from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
