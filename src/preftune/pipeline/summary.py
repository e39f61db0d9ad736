"""``summary.json`` of a run, and the report made from everything in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preftune.artifacts import Manifest, failpoint, write_json_atomic
from preftune.pipeline.halts import ends_the_run
from preftune.pipeline.headline import headline
from preftune.recipe import Recipe
from preftune.records import GateRefused, PreftuneError, Waiting
from preftune.reports import write_report

Finished = Mapping[str, tuple[Path, Manifest]]


def write_summary(
    out: Path, recipe: Recipe, finished: Finished, error: BaseException | None = None
) -> dict[str, Any]:
    """Writes both and returns the summary; ``error`` is what ended the run before its end."""
    failpoint("run.before_summary")
    status = "done"
    if error is not None:
        status = "failed" if isinstance(error, PreftuneError) else "stopped"
    if isinstance(error, GateRefused):
        status = "refused"
    if isinstance(error, Waiting):
        status = "waiting"
    summary: dict[str, Any] = {
        "run": str(out),
        "status": status,
        "seconds": round(sum(manifest.seconds for _, manifest in finished.values()), 3),
        "stages": _stages(recipe, finished, status),
        "models": {
            name: str(folder / manifest.outputs["model"]["path"])
            for name, (folder, manifest) in finished.items()
            if "model" in manifest.outputs
        },
        "report": str(out / "report.html"),
    }
    if isinstance(error, Waiting):
        summary["waiting"] = error.as_json()
    elif isinstance(error, PreftuneError):
        summary["error"] = error.as_json()
    summary |= headline(finished)
    write_json_atomic(out / "summary.json", summary)
    write_report(out)
    return summary


def _stages(recipe: Recipe, finished: Finished, status: str) -> list[dict[str, Any]]:
    """Every stage of the recipe: done, the one that stopped the run, and those still to come."""
    done = [
        {
            "name": name,
            "kind": manifest.kind,
            "status": manifest.status,
            "seconds": manifest.seconds,
            "folder": str(folder),
        }
        for name, (folder, manifest) in finished.items()
    ]
    left = [name for name in recipe.stages if name not in finished]
    last = next(reversed(list(finished)), None)
    halted = last is not None and ends_the_run(recipe.stages[last], finished[last][1])
    return done + [
        {
            "name": name,
            "kind": recipe.stages[name].kind,
            "status": status if place == 0 and not halted else "pending",
            "seconds": 0.0,
            "folder": None,
        }
        for place, name in enumerate(left)
    ]
