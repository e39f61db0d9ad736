"""A stage that a guard stopped is finished; whether the run goes on is the recipe's word."""

import json
from pathlib import Path

from preftune.artifacts import Manifest
from preftune.recipe import OnPolicy, Section
from preftune.records import RunFailed

LOOK = {
    "kl": "a larger kl.coefficient or an adaptive one",
    "entropy": "an entropy bonus or a smaller learning rate",
    "length": "a reward model that was audited for length",
    "uncertainty": "an ensemble with aggregation.kind = uncertainty_weighted",
    "overoptimization": "a larger kl.coefficient, or new labels on the policy's own responses",
    "truncation": "a larger sampling.max_new_tokens or missing_eos",
    "mismatch": "the sampler's precision and temperature",
    "non_finite": "a smaller learning rate",
}
"""What a person may try after each guard's halt; the others call for a look at the samples."""


def ends_the_run(settings: Section, manifest: Manifest) -> bool:
    """Whether a guard stopped this stage, and the recipe does not go on after that."""
    watched = isinstance(settings, OnPolicy) and settings.guards.on_halt == "stop"
    return watched and manifest.status == "halted"


def stop_if_halted(name: str, settings: Section, folder: Path, manifest: Manifest) -> None:
    """Raises :class:`RunFailed` after a halt, unless ``guards.on_halt`` says to continue."""
    if not ends_the_run(settings, manifest):
        return
    halt = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["halt"]
    guard, kept = halt["guard"], halt["kept_step"]
    model = f"iteration {kept}" if kept else "the beginning"
    raise RunFailed(
        f"The guard {guard} stopped stage {name} at iteration {halt['step']}: {halt['reason']} "
        f"Its model is that of {model}.",
        file=folder,
        remedy=f"Look at its samples; try {LOOK.get(guard, 'other settings')}; or go on with this "
        f"model: --set stages.{name}.guards.on_halt=continue.",
    )
