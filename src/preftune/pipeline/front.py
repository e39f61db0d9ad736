"""Running recipes from Python: what ``preftune run`` and ``preftune quickstart`` do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from preftune.monitoring import Console
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import Gate, Recipe, load_recipe, sources_of, toml_text
from preftune.recipe.gate import condition
from preftune.recipe.packaged import find_recipe, packaged_recipes

QUICKSTART = "world/quickstart"
RUNS = Path("runs")


def run(
    recipe: str | Path,
    *,
    out: str | Path | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    console: Console | None = None,
) -> dict[str, Any]:
    """Runs the stages of a recipe that are not done yet and returns the run's summary.

    ``recipe`` is a file or a packaged name (``tiny/ppo``). ``out`` is ``runs/NAME-seedN`` if not
    given. ``overrides`` are ``key.path=value`` with TOML values. Run again, it continues. Raises
    :class:`BadInput` or :class:`RunFailed`.
    """
    path = find_recipe(recipe)
    resolved = load_recipe(path, overrides, seed)
    folder = default_out(recipe, path, resolved) if out is None else Path(out).expanduser()
    desk = Desk(Console() if console is None else console)
    show_plan(resolved, folder, desk.console)
    return run_recipe(resolved, recipe_text(path, resolved, overrides), folder, desk)


def recipe_text(path: Path, resolved: Recipe, overrides: Sequence[str]) -> str:
    """What a run folder keeps as recipe.toml: the file itself, or with overrides all settings."""
    if not overrides:
        return path.read_text(encoding="utf-8-sig")
    return toml_text(resolved.model_dump(mode="json"))


def quickstart(
    *,
    out: str | Path | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    console: Console | None = None,
) -> dict[str, Any]:
    """The whole loop in the built-in world; ``out`` is ``runs/quickstart-seedN`` if not given."""
    if out is None:
        resolved = load_recipe(find_recipe(QUICKSTART), overrides, seed)
        out = RUNS / f"quickstart-seed{resolved.seed}"
    return run(QUICKSTART, out=out, seed=seed, overrides=overrides, console=console)


def default_out(recipe: str | Path, path: Path, resolved: Recipe) -> Path:
    """``runs/NAME-seedN``; a packaged recipe keeps its folder in the name (``tiny-ppo``)."""
    given = Path(recipe).as_posix().removesuffix(".toml")
    packaged = packaged_recipes().get(given) == path
    name = given.replace("/", "-") if packaged else path.stem
    return RUNS / f"{name}-seed{resolved.seed}"


def show_plan(recipe: Recipe, folder: Path, console: Console) -> None:
    """What is about to run, what each stage reads, the gates on the way, and what is there."""
    console.line(f"{recipe.title} (seed {recipe.seed}) in {folder}")
    for number, (name, settings) in enumerate(recipe.stages.items(), 1):
        place = folder / "stages" / f"{number:02d}-{name}"
        state = ""
        if (place / "manifest.json").is_file():
            state = ", done before: kept if nothing it depends on has changed"
        elif place.with_name(place.name + ".partial").is_dir():
            state = ", begun before: continues from its checkpoint"
        read = list(dict.fromkeys(str(source) for source in sources_of(settings).values()))
        reads = f" reads {', '.join(read)}" if read else ""
        console.line(f"  {number}. {name} ({settings.kind}){reads}{state}")
        for check in getattr(settings, "checks", {}).values():
            then = "goes on" if isinstance(settings, Gate) else "promotes"
            console.line(f"       {then} if {condition(check)}")
