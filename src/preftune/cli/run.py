"""``preftune run``: the stages of a recipe that are not done yet."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from preftune.cli.mistakes import as_known
from preftune.cli.options import AsJson, Out, Overrides, RecipeName, Seed
from preftune.cli.reply import Reply, facts, show_nothing, shown, table, write_line
from preftune.cli.train_extra import require_train
from preftune.recipe import load_recipe
from preftune.recipe.packaged import find_recipe
from preftune.records import BadInput, GateRefused, PreftuneError, RunFailed


def run(
    recipe: RecipeName,
    out: Out = None,
    seed: Seed = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> Reply:
    """Run a recipe: a pipeline of stages, or a single stage.

    Run it again and it continues: finished stages are skipped by the hash of what they depend on,
    a stopped stage resumes from its checkpoint. Without --out the folder is
    runs/RECIPE-seedN.
    """
    require_train("run")
    load_recipe(find_recipe(recipe), overrides or [], seed)  # mistakes are told before torch loads
    from preftune.pipeline.front import run as run_recipe

    return reply_of(lambda: run_recipe(recipe, out=out, seed=seed, overrides=overrides or []), out)


def reply_of(work: Callable[[], dict[str, Any]], out: Path | None) -> Reply:
    """The summary of a run, or of one that failed or was refused, with the reason."""
    try:
        summary = work()
    except Exception as error:
        known = as_known(error)
        if known is None or isinstance(known, BadInput):
            raise
        status = "refused" if isinstance(known, GateRefused) else "failed"
        payload: dict[str, Any] = {"status": status}
        if out is not None:
            payload["run"] = str(out.expanduser().absolute())
        return Reply(payload, show_nothing, known)
    return Reply(summary, lambda console: show_summary(summary, console), _complaint(summary))


def show_summary(summary: Mapping[str, Any], console: Console) -> None:
    """The stages, the headline numbers the run has, and where the report is."""
    stages = [
        (stage["name"], stage["kind"], stage["status"], f"{stage['seconds']:.0f} s")
        for stage in summary["stages"]
    ]
    console.print(table("", ("stage", "kind", "status", "compute"), stages))
    rows = headline_rows(summary)
    if rows:
        console.print()
        console.print(facts(rows))
    console.print()
    write_line(console, f"{summary['status']}: {summary['run']}")
    if waiting := summary.get("waiting"):
        write_line(console, f"{waiting['sentence']} {waiting['remedy']}")
    write_line(console, f"report: {summary['report']}")


def headline_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headline numbers that are there, with their 95 % intervals."""
    rows = [
        (what, shown(summary[key], percent=percent))
        for key, what, percent in HEADLINE
        if summary.get(key) is not None
    ]
    gold = summary.get("gold") or {}
    return rows + [(f"gold score, {name}", shown(value)) for name, value in gold.items()]


def _complaint(summary: Mapping[str, Any]) -> PreftuneError | None:
    """A run that ended without being done (a gate, a failure) exits with 1 and says so."""
    if summary["status"] in ("done", "waiting"):
        return None
    return RunFailed(
        f"The run is {summary['status']}.",
        file=summary["run"],
        remedy=f"See {summary['report']}.",
    )


HEADLINE = (
    ("reward_model_accuracy", "reward model accuracy", True),
    ("noise_ceiling", "  what perfect would reach", True),
    ("win_rate", "PPO preferred to SFT", True),
    ("win_rate_base", "PPO preferred to base", True),
    ("kl", "KL to SFT, nats a response", False),
)
"""Key of the summary, what it is called, and whether it is a share."""
