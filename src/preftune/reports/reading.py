"""A run folder as the report sees it: whatever is there, and a note for what cannot be read."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preftune.artifacts import Manifest, read_manifest
from preftune.monitoring import read_metrics
from preftune.records import BadInput, PreftuneError

NUMBERED = re.compile(r"^(\d+)-(.+?)(\.partial)?$")
"""How stages' folders are called; a stage that is not finished works in ``NN-name.partial``."""
FINISHED = ("done", "cached", "skipped", "halted")
WAITING = ("planned", "pending")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage: planned, under way, finished or broken off.

    ``settings`` are the recipe's, ``summary`` is its ``summary.json`` (empty where there is
    none), ``folder`` is None for a stage that has not begun. ``seconds`` is None where nobody
    wrote it down.
    """

    name: str
    kind: str
    status: str
    seconds: float | None
    folder: Path | None
    settings: Row
    manifest: Manifest | None
    metrics: tuple[Row, ...]
    summary: Row
    samples: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Everything a report is made from. ``notes`` name files that could not be read."""

    folder: Path
    title: str
    seed: int | None
    status: str
    seconds: float | None
    recipe: Row
    summary: Row
    stages: tuple[StageView, ...]
    notes: tuple[str, ...]


def read_run(folder: Path) -> Run:
    """Reads a run folder; BadInput when it is none. Broken files in it become notes."""
    if not folder.is_dir():
        raise BadInput("There is no such folder.", file=folder, remedy="Give the folder of a run.")
    if not any((folder / name).exists() for name in ("recipe.json", "summary.json", "stages")):
        raise BadInput(
            "This folder holds no recipe.json, no summary.json and no stages, so it is no run.",
            file=folder,
            remedy="Give the folder that `preftune run --out` was given.",
        )
    notes: list[str] = []
    recipe = _object(folder / "recipe.json", folder, notes)
    summary = _object(folder / "summary.json", folder, notes)
    stages = _stages(folder, recipe, summary, notes)
    status = summary.get("status")
    if not isinstance(status, str):
        status = "done" if stages and all(s.status in FINISHED for s in stages) else "running"
    seconds = number(summary.get("seconds"))
    if seconds is None and any(s.seconds is not None for s in stages):
        seconds = sum(s.seconds or 0.0 for s in stages)
    title, seed = recipe.get("title"), recipe.get("seed")
    return Run(
        folder=folder,
        title=str(title) if title else folder.resolve().name,
        seed=seed if isinstance(seed, int) else None,
        status=status,
        seconds=seconds,
        recipe=recipe,
        summary=summary,
        stages=stages,
        notes=tuple(notes),
    )


def number(value: object) -> float | None:
    """The value where it is a finite number (a truth value is none), else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < float("inf") else None


def mapping(value: object) -> Row:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def rows(value: object) -> list[Row]:
    """The JSON objects in a list; anything else in it, or no list at all, is left out."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _stages(folder: Path, recipe: Row, summary: Row, notes: list[str]) -> tuple[StageView, ...]:
    """The stages in the order of the recipe as written; JSON objects are sorted by name."""
    planned = {str(name): mapping(item) for name, item in mapping(recipe.get("stages")).items()}
    told = {str(item["name"]): item for item in rows(summary.get("stages")) if "name" in item}
    folders = _folders(folder / "stages")
    names = dict.fromkeys([*_written_order(folder / "recipe.toml"), *told, *folders, *planned])
    return tuple(
        _stage(name, folders.get(name), planned.get(name, {}), told.get(name, {}), notes)
        for name in names
    )


def _written_order(recipe: Path) -> list[str]:
    """The names of the stages in ``recipe.toml``; none where it cannot be read."""
    try:
        return list(tomllib.loads(recipe.read_text(encoding="utf-8"))["stages"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _folders(stages: Path) -> dict[str, Path]:
    if not stages.is_dir():
        return {}
    found: list[tuple[int, bool, str, Path]] = []
    for path in stages.iterdir():
        match = NUMBERED.match(path.name)
        if match and path.is_dir():
            # Sorted before its unfinished twin is overwritten by the finished folder.
            found.append((int(match[1]), match[3] is None, match[2], path))
    return {name: path for _, _, name, path in sorted(found)}


def _stage(name: str, folder: Path | None, settings: Row, told: Row, notes: list[str]) -> StageView:
    run = folder.parent.parent if folder else Path()
    manifest = _manifest(folder, run, notes) if folder else None
    status = told.get("status")
    if not isinstance(status, str) or (status in WAITING and folder):
        begun = "running" if folder else "planned"
        status = manifest.status if manifest else begun
    # An unfinished stage keeps the seconds it has had so far beside its identity.
    spent = _object(folder / "identity.json", run, notes) if folder and not manifest else {}
    seconds = manifest.seconds if manifest else number(spent.get("seconds"))
    if seconds is None and status not in WAITING:
        seconds = number(told.get("seconds"))
    status = "planned" if status in WAITING else status
    kind = settings.get("kind") or told.get("kind") or (manifest.kind if manifest else name)
    return StageView(
        name=name,
        kind=str(kind),
        status=status,
        seconds=seconds,
        folder=folder,
        settings=settings or (manifest.recipe if manifest else {}),
        manifest=manifest,
        metrics=_metrics(folder, run, notes) if folder else (),
        summary=_object(folder / "summary.json", run, notes) if folder else {},
        samples=_samples(folder, run, notes) if folder else (),
    )


def _manifest(folder: Path, run: Path, notes: list[str]) -> Manifest | None:
    path = folder / "manifest.json"
    if not path.exists():
        return None
    try:
        return read_manifest(folder)
    except BadInput as error:
        notes.append(f"{path.relative_to(run)}: {error.sentence}")
        return None


def _metrics(folder: Path, run: Path, notes: list[str]) -> tuple[Row, ...]:
    path = folder / "metrics.jsonl"
    if not path.exists():
        return ()
    try:
        return tuple(read_metrics(path))
    except PreftuneError as error:
        place = f", line {error.line}" if error.line else ""
        notes.append(f"{path.relative_to(run)}{place}: {error.sentence}")
        return ()


def _samples(folder: Path, run: Path, notes: list[str]) -> tuple[Row, ...]:
    """Rows of ``samples.jsonl``; a torn last line is dropped, another broken one is noted."""
    path = folder / "samples.jsonl"
    if not path.exists():
        return ()
    found: list[Row] = []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for index, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, Mapping):
            found.append(row)
        elif index < len(lines):
            notes.append(f"{path.relative_to(run)}, line {index}: This line is no sample.")
    return tuple(found)


def _object(path: Path, run: Path, notes: list[str]) -> Row:
    try:
        read = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        read = None
    if isinstance(read, Mapping):
        return read
    notes.append(f"{path.relative_to(run)}: This file is no JSON object.")
    return {}
