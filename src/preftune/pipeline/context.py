"""What a stage is given and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch

from preftune.artifacts import Parent, derive_seed
from preftune.monitoring import Console, Sink
from preftune.recipe import Section
from preftune.training import Journal

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class StageContext(Generic[S]):
    """One stage's settings, resolved inputs and workplace.

    ``inputs`` maps each source's role (``policy``, ``evaluation.prompts``) to a path; ``hashes``
    to its content. ``folder`` is where everything is written; it gets its final name when the
    stage is done.
    """

    name: str
    settings: S
    inputs: Mapping[str, Path]
    hashes: Mapping[str, str]
    folder: Path
    seed: int
    device: torch.device
    console: Console
    sinks: tuple[Sink, ...] = ()

    def journal(self, checkpoint_every: int) -> Journal:
        return Journal(self.folder, self.console, checkpoint_every, self.sinks)

    def seed_for(self, *purpose: str | int) -> int:
        return derive_seed(self.seed, *purpose)

    @property
    def model_folder(self) -> Path:
        folder = self.folder / "model"
        folder.mkdir(exist_ok=True)
        return folder


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """Named outputs as paths inside the stage's folder, and the numbers of its summary.

    ``status`` is ``halted`` where a guard stopped the stage and its outputs are those of its last
    good checkpoint; ``summary["halt"]`` then says which guard, why and when.
    """

    outputs: Mapping[str, str]
    summary: Mapping[str, Any] = field(default_factory=dict)
    status: Literal["done", "halted"] = "done"
    consumed: tuple[Parent, ...] = ()
    """What it took from outside while it ran, judgments of people above all."""
