"""A recipe that begins with the stages of others: ``extends = { recipe, stages }``, or a list."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from preftune.recipe.explain import nearest
from preftune.recipe.packaged import find_recipe
from preftune.records import BadInput

EXTENDS = "extends"


def extended(
    raw: Mapping[str, Any],
    file: Path | None,
    read: Callable[[Path], dict[str, Any]],
    chain: tuple[Path, ...] = (),
) -> dict[str, Any]:
    """``raw`` with the stages it asks for from the recipe it extends, and without ``extends``.

    ``extends.recipe`` is a packaged name or a path beside ``file``; ``extends.stages`` names the
    stages wanted, all of them if not said. Where ``raw`` has a wanted stage too, its own keys go
    over the inherited ones, unless its kind is another; of several recipes the later goes over the
    earlier likewise. ``read`` parses a file.
    Raises :class:`BadInput`.
    """
    own = dict(raw)
    asked = own.pop(EXTENDS, None)
    if asked is None:
        return own
    stages: dict[str, Any] = {}
    for one in asked if isinstance(asked, list) and asked else [asked]:
        stages = _together(stages, _inherited(one, file, read, chain))
    mine = own.get("stages", {})
    if not isinstance(mine, dict):
        return own
    return own | {"stages": _together(stages, mine)}


def _inherited(
    asked: Any,
    file: Path | None,
    read: Callable[[Path], dict[str, Any]],
    chain: tuple[Path, ...],
) -> dict[str, Any]:
    """The stages asked for of one other recipe."""
    recipe, wanted = _checked(asked, file)
    beside = file.parent / recipe if file is not None else Path(recipe)
    source = find_recipe(beside if beside.is_file() else recipe).resolve()
    if source in chain:
        raise BadInput(
            f"The recipe extends itself through {recipe!r}.",
            file=file,
            remedy="Let it extend a recipe that does not come back to it.",
        )
    given = extended(read(source), source, read, (*chain, source)).get("stages")
    stages: dict[str, Any] = given if isinstance(given, dict) else {}
    names = list(stages) if wanted is None else wanted
    for name in names:
        if name not in stages:
            near = nearest(name, stages)
            raise BadInput(
                f"{recipe!r} has no stage {name!r}.",
                file=file,
                remedy=f"Did you mean {near!r}?" if near else f"It has {', '.join(stages)}.",
            )
    return {name: stages[name] for name in names}


def _together(inherited: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Inherited stages in their order; a new stage goes before the next one that both have."""
    order: list[str] = list(inherited)
    new: list[str] = []
    for name in own:
        if name in inherited:
            place = order.index(name)
            order[place:place] = new
            new = []
        else:
            new.append(name)
    return {
        name: _over(inherited.get(name), own[name]) if name in own else inherited[name]
        for name in [*order, *new]
    }


def _checked(asked: Any, file: Path | None) -> tuple[str, list[str] | None]:
    """The recipe's name and the stages asked for."""
    settings = {"recipe": asked} if isinstance(asked, str) else asked
    if isinstance(settings, dict) and set(settings) <= {"recipe", "stages"}:
        recipe, wanted = settings.get("recipe"), settings.get("stages")
        names = wanted if isinstance(wanted, list) else []
        if isinstance(recipe, str) and all(isinstance(name, str) for name in names):
            return recipe, None if wanted is None else names
    raise BadInput(
        "extends does not name a recipe.",
        file=file,
        remedy='Write extends = { recipe = "world/quickstart", stages = ["world", "base"] }.',
    )


def _over(inherited: Any, own: Any) -> Any:
    """A stage's own keys over the inherited ones of the same kind."""
    if not isinstance(inherited, dict) or not isinstance(own, dict):
        return own
    if own.get("kind", inherited.get("kind")) != inherited.get("kind"):
        return own
    return inherited | own
