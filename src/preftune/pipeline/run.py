"""A recipe becomes a run folder: finished stages are skipped, a stopped one continues.

A stage works in ``stages/NN-name.partial`` and gets its name when everything in it is on the
disk. What it depends on (settings, seed, the content of its inputs) is its identity: a finished
stage of the same identity is never run again, one of another identity is replaced.
"""

import json
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from preftune.artifacts import (
    Manifest,
    Parent,
    RunLock,
    changed_outputs,
    failpoint,
    make_output,
    publish_folder,
    read_manifest,
    stage_identity,
    surroundings,
    sweep_partials,
    write_json_atomic,
    write_manifest,
    write_text_atomic,
)
from preftune.artifacts.hashing import derive_seed
from preftune.monitoring import Console, Sink
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.halts import stop_if_halted
from preftune.pipeline.rewards import callable_hashes
from preftune.pipeline.sources import SUMMARY, resolve, without_sources
from preftune.pipeline.stages import STAGES
from preftune.pipeline.summary import write_summary
from preftune.recipe import Recipe, Section
from preftune.records import BadInput, PreftuneError, RunFailed
from preftune.training import precision_for, set_workers, workers
from preftune.training.journal import CHECKPOINTS

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "pydantic")
IDENTITY = "identity.json"
THREADS = torch.get_num_threads()
"""What torch chose for this machine."""
MEASURING = ("evaluate", "reward_model", "cross_validate")
"""Kinds of stage whose summary is an output."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a run talks to people and dashboards."""

    console: Console
    sinks: tuple[Sink, ...] = ()


def run_recipe(recipe: Recipe, recipe_text: str, out: Path, desk: Desk) -> dict[str, Any]:
    """Runs every stage that is not done and writes the report; returns the run's summary.

    Raises :class:`BadInput` or :class:`RunFailed`; what was finished by then stays, and the same
    call continues. Another process working in ``out`` makes it refuse.
    """
    device = device_of(recipe)
    for settings in recipe.stages.values():
        callable_hashes(settings)  # a function that is not there is told before hours of training
    out = out.absolute()
    with RunLock(out):
        sweep_partials(out)
        write_text_atomic(out / "recipe.toml", recipe_text)
        write_json_atomic(out / "recipe.json", recipe.model_dump(mode="json"))
        finished: dict[str, tuple[Path, Manifest]] = {}
        try:
            for number, (name, settings) in enumerate(recipe.stages.items(), 1):
                folder = out / "stages" / f"{number:02d}-{name}"
                plan = _Plan(recipe, name, settings, folder, out, device, desk)
                finished[name] = (folder, plan.run(finished))
                stop_if_halted(name, settings, *finished[name])
        except BaseException as error:
            with suppress(PreftuneError):
                write_summary(out, recipe, finished, error)
            raise
        return write_summary(out, recipe, finished)


def device_of(recipe: Recipe) -> torch.device:
    """The device to compute on; sets the number of CPU threads and of workers."""
    machine = recipe.machine
    device = _device(machine.device)
    set_workers(machine.workers if device.type == "cpu" else 1)
    torch.set_num_threads(max(1, (machine.threads or THREADS) // workers()))
    return device


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=wanted).device
    except (RuntimeError, AssertionError):
        raise BadInput(
            f"There is no device {wanted!r} on this machine.",
            remedy='Set machine.device = "cpu" or "auto".',
        ) from None


class _Plan:
    """One stage of a run: found done, continued, or run from its start."""

    def __init__(
        self,
        recipe: Recipe,
        name: str,
        settings: Section,
        folder: Path,
        out: Path,
        device: torch.device,
        desk: Desk,
    ) -> None:
        self.recipe, self.name, self.settings = recipe, name, settings
        self.folder, self.out, self.device, self.desk = folder, out, device, desk
        self.partial = folder.with_name(folder.name + ".partial")
        self.kind = str(getattr(settings, "kind"))  # noqa: B009
        self.seed = derive_seed(recipe.seed, name)
        self.callables = callable_hashes(settings)

    def run(self, finished: dict[str, tuple[Path, Manifest]]) -> Manifest:
        paths, parents = resolve(self.name, self.settings, self.recipe, self.out, finished)
        identity = self._identity(parents)
        known = self._complete(self.folder, identity)
        if known is not None:
            self.desk.console.line(f"{self.name}: already done")
            return known
        written = self._complete(self.partial, identity)
        if written is not None:
            self.desk.console.line(f"{self.name}: done before it was stopped")
            return self._publish(written)
        self._prepare(identity)
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        before = self._spent()
        context = StageContext(
            name=self.name,
            settings=self.settings,
            inputs=paths,
            hashes={parent.role: parent.sha256 for parent in parents},
            folder=self.partial,
            seed=self.seed,
            device=self.device,
            console=self.desk.console,
            sinks=self.desk.sinks,
        )
        try:
            outcome = STAGES[self.kind](context)
        except BaseException as error:
            if isinstance(error, RunFailed) and error.file is None:
                error.file = str(self.partial)
            with suppress(PreftuneError):
                self._note(identity, before + time.monotonic() - clock)
            raise
        seconds = before + time.monotonic() - clock
        return self._publish(self._manifest(identity, parents, outcome, started, seconds))

    def _identity(self, parents: Sequence[Parent]) -> str:
        return stage_identity(
            self.kind, without_sources(self.settings), parents, self.seed, self.callables
        )

    def _complete(self, folder: Path, identity: str) -> Manifest | None:
        """The manifest of a folder that holds this very stage's outputs, whole and unchanged."""
        if not folder.exists():
            return None
        try:
            manifest = read_manifest(folder)
        except BadInput:
            return None
        same = manifest.identity == identity and not changed_outputs(folder, manifest)
        return manifest if same else None

    def _prepare(self, identity: str) -> None:
        """An empty partial folder, or the one this very stage was stopped in."""
        if self.folder.exists():
            self.desk.console.line(f"{self.name}: settings or inputs changed, running it again")
            shutil.rmtree(self.folder)
        if self._known_identity() != identity:
            shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True, exist_ok=True)
        self._note(identity, self._spent())

    def _note(self, identity: str, seconds: float) -> None:
        write_json_atomic(self.partial / IDENTITY, {"identity": identity, "seconds": seconds})

    def _read_note(self) -> dict[str, Any]:
        try:
            note = json.loads((self.partial / IDENTITY).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _known_identity(self) -> str | None:
        return self._read_note().get("identity")

    def _spent(self) -> float:
        return float(self._read_note().get("seconds", 0.0))

    def _manifest(
        self,
        identity: str,
        parents: Sequence[Parent],
        outcome: StageOutcome,
        started: str,
        seconds: float,
    ) -> Manifest:
        """Writes the summary and the manifest: from here on the stage's work is never redone."""
        told = dict(outcome.summary) | self._computed()
        write_json_atomic(self.partial / "summary.json", told)
        manifest = Manifest(
            name=self.name,
            kind=self.kind,
            identity=identity,
            recipe=self.settings.model_dump(mode="json"),
            seed=self.seed,
            parents=tuple(parents),
            outputs={n: make_output(self.partial, p) for n, p in self._outputs(outcome)},
            status=outcome.status,
            started=started,
            seconds=round(seconds, 3),
            device=str(self.device),
            callables=self.callables,
            **surroundings(PACKAGES),
        )
        failpoint("stage.before_manifest")
        write_manifest(self.partial, manifest)
        return manifest

    def _computed(self) -> dict[str, str]:
        """The number format this machine computed in, where the recipe leaves or changes it."""
        wanted = getattr(self.settings, "precision", "float32")
        if wanted == "float32":
            return {}
        return {"precision": str(precision_for(wanted, self.device)).removeprefix("torch.")}

    def _outputs(self, outcome: StageOutcome) -> list[tuple[str, str]]:
        """With the summary itself where later stages, gates above all, may read it."""
        told = {SUMMARY: "summary.json"} if self.kind in MEASURING else {}
        return list((dict(outcome.outputs) | told).items())

    def _publish(self, manifest: Manifest) -> Manifest:
        """Gives the finished folder its name, without what was only needed to make it."""
        failpoint("stage.before_publish")
        shutil.rmtree(self.partial / CHECKPOINTS, ignore_errors=True)
        (self.partial / IDENTITY).unlink(missing_ok=True)
        publish_folder(self.partial, self.folder)
        failpoint("stage.after_publish")
        return manifest
