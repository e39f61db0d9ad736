"""TOML or resolved JSON in, a checked :class:`Recipe` out; every mistake becomes one sentence."""

import copy
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from preftune.recipe.explain import Origin, both_kinds, explain, no_preset, not_toml
from preftune.recipe.extend import extended
from preftune.recipe.lines import is_json
from preftune.recipe.presets import presets_of, with_preset
from preftune.recipe.recipe import Recipe
from preftune.recipe.walk import KINDS
from preftune.records import BadInput


def load_recipe(path: str | Path, overrides: Sequence[str] = (), seed: int | None = None) -> Recipe:
    """Reads a recipe file. ``overrides`` are ``key.path=value`` with TOML values.

    Raises :class:`BadInput` naming the file, the line where it can be found, and what to do.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(
            f"The recipe cannot be read: {error.strerror}.", file=path, remedy="Check the path."
        ) from None
    except UnicodeDecodeError:
        raise BadInput(
            "The recipe is not UTF-8 text.", file=path, remedy="Save it as UTF-8."
        ) from None
    return parse_recipe(text, overrides, seed, file=path)


def parse_recipe(
    text: str,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    *,
    file: str | Path | None = None,
) -> Recipe:
    """The same from the text of a recipe: TOML, or the JSON of a resolved one."""
    written = _read(text, file)
    raw = extended(copy.deepcopy(written), Path(file) if file else None, _written)
    options: dict[tuple[str, ...], str] = {}
    for override in overrides:
        options[_override(raw, override)] = f"--set {override}"
    if seed is not None:
        raw["seed"] = seed
        options[("seed",)] = f"--seed {seed}"
    single = _name_of_single(raw)
    if single is not None:
        options = {_moved(path, raw, single): option for path, option in options.items()}
    origin = Origin(text, file, written, options, single)
    if single is not None and "stages" in raw:
        raise both_kinds(origin)
    raw = _as_pipeline(raw, single)
    stages = raw.get("stages")
    for name, stage in stages.items() if isinstance(stages, dict) else ():
        if isinstance(stage, dict) and "preset" in stage:
            known = presets_of(stage.get("kind"))
            if stage["preset"] not in list(known):
                raise no_preset(name, stage, known, origin)
            raw["stages"] = raw["stages"] | {name: with_preset(stage)}
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        raise explain(error, origin) from None


def _written(path: Path) -> dict[str, Any]:
    return _read(path.read_text(encoding="utf-8-sig"), path)


def _read(text: str, file: str | Path | None) -> dict[str, Any]:
    if not is_json(text):
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise not_toml(error, text, file) from None
    try:
        read: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"The recipe is not valid JSON: {error.msg}.",
            file=file,
            line=error.lineno,
            remedy="Correct the line.",
        ) from None
    return read


def _name_of_single(raw: dict[str, Any]) -> str | None:
    """A recipe with a ``kind`` at the top is one stage, named after its kind."""
    if "kind" not in raw:
        return None
    return str(raw["kind"]) if raw["kind"] in list(KINDS) else "stage"


def _on_top(key: str, raw: dict[str, Any]) -> bool:
    """Whether a key at the top of a single stage's recipe is the recipe's, not the stage's.

    A stage may have ``data`` too: the recipe's is a section, the stage's never is.
    """
    return key in Recipe.model_fields and (key != "data" or isinstance(raw[key], dict))


def _moved(path: tuple[str, ...], raw: dict[str, Any], single: str) -> tuple[str, ...]:
    return path if _on_top(path[0], raw) else ("stages", single, *path)


def _as_pipeline(raw: dict[str, Any], single: str | None) -> dict[str, Any]:
    if single is None:
        return raw
    top = {key: value for key, value in raw.items() if _on_top(key, raw)}
    return top | {"stages": {single: {k: v for k, v in raw.items() if k not in top}}}


def _override(raw: dict[str, Any], override: str) -> tuple[str, ...]:
    key, equals, value = override.partition("=")
    parts = tuple(part.strip() for part in key.split("."))
    if not equals or not all(parts):
        raise BadInput(
            f"--set {override!r} is not key.path=value.", remedy="For example --set seed=3."
        )
    here = raw
    for part in parts[:-1]:
        here = here.setdefault(part, {})
        if not isinstance(here, dict):
            raise BadInput(
                f"--set {override!r}: {part!r} is a value, not a section.",
                remedy="Run `preftune check RECIPE.toml` to see the keys.",
            )
    here[parts[-1]] = _toml_value(value.strip())
    return parts


def _toml_value(text: str) -> Any:
    """A TOML value, or plain text where it is none."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
