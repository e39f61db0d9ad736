"""What is wrong with a recipe, as one sentence with the place and a remedy."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from preftune.recipe.lines import line_of
from preftune.recipe.walk import KINDS, Spot, field_names, spot_at
from preftune.records import BadInput


class Origin(NamedTuple):
    """Where the settings came from."""

    text: str
    """The recipe as written."""
    file: str | Path | None
    """Its file."""
    written: Mapping[str, Any]
    """What it says, before ``--set``."""
    options: Mapping[tuple[str, ...], str]
    """Keys given on the command line, and how (``--set seed=3``)."""
    single: str | None
    """The name given to the only stage when its ``kind`` stands at the top."""


NEEDS = {
    "bool_parsing": "It must be true or false.",
    "bool_type": "It must be true or false.",
    "dict_type": "It must be a section with keys of its own.",
    "finite_number": "It must be a finite number.",
    "float_parsing": "It must be a number.",
    "float_type": "It must be a number.",
    "int_from_float": "It must be a whole number.",
    "int_parsing": "It must be a whole number.",
    "int_type": "It must be a whole number.",
    "model_attributes_type": "It must be a section with keys of its own.",
    "model_type": "It must be a section with keys of its own.",
    "string_too_short": "It must not be empty.",
    "string_type": "It must be text in quotes.",
    "tuple_type": "It must be a list in square brackets.",
}


def explain(problem: ValidationError, origin: Origin) -> BadInput:
    """The most telling of the errors: a misspelt key explains a missing one."""
    errors = problem.errors()
    unknown = [error for error in errors if error["type"] == "extra_forbidden"]
    error = (unknown or errors)[0]
    spot, kind = spot_at(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(spot.keys, spot_at(error["loc"][:-1]), errors, origin)
    if kind == "missing":
        return _missing(error, spot, origin)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _kind(error, spot, origin)
    if kind == "value_error":
        return _contradiction(str(error["ctx"]["error"]), spot.keys, origin)
    if error["loc"] and error["loc"][-1] == "[key]":
        return _dict_key(error, spot, origin)
    remedy = NEEDS.get(kind) or error["msg"].replace("Input should be", "It must be") + "."
    if kind == "too_short":
        remedy = f"It needs {error['ctx']['min_length']} or more entries."
    if kind == "too_long":
        remedy = f"It takes {error['ctx']['max_length']} entries."
    if kind == "literal_error":
        remedy = f"It must be {error['ctx']['expected']}."
    sentence = f"{_dotted(spot.keys, origin)} = {_shown(error.get('input'))} cannot be used."
    return place_error(sentence, remedy, spot.keys, origin)


def place_error(sentence: str, remedy: str, keys: tuple[str, ...], origin: Origin) -> BadInput:
    """The error with the option that set ``keys``, or else the file and the line."""
    for path, option in origin.options.items():
        made = keys and path[: len(keys)] == keys and not _is_written(keys, origin)
        if keys[: len(path)] == path or made:
            return BadInput(f"{sentence.removesuffix('.')} (from {option}).", remedy=remedy)
    line = line_of(origin.text, _as_written(keys, origin))
    return BadInput(sentence, file=origin.file, line=line, remedy=remedy)


def not_toml(error: tomllib.TOMLDecodeError, text: str, file: str | Path | None) -> BadInput:
    """A syntax error; the usual slips are named."""
    found = re.search(r"\(at line (\d+)", str(error))
    line = int(found.group(1)) if found else None
    what = re.sub(r"\s*\(at [^)]*\)$", "", str(error))
    what = what[:1].lower() + what[1:]
    lines = text.splitlines()
    if "end of document" in str(error):
        line = len(lines)
    slip = lines[line - 1] if line and line <= len(lines) else ""
    remedy = "Correct the line."
    if "overwrite" in what or "twice" in what:
        remedy = "It is written twice: remove one."
    elif re.search(r"=\s*[-+]?\.\d", slip):
        remedy = "Write a digit before the point: 0.5, not .5."
    elif re.search(r"=\s*(True|False)\b", slip):
        remedy = "Write true or false in lower case."
    elif re.search(r"=\s*(None|null)\b", slip):
        remedy = "Leave the key out instead."
    elif re.search(r"=\s*[A-Za-z_/.]", slip):
        remedy = "Put text in quotes."
    return BadInput(f"The recipe is not valid TOML: {what}.", file=file, line=line, remedy=remedy)


def nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most alike of ``words``, if any is alike at all."""
    return next(iter(difflib.get_close_matches(word, sorted(words), n=1, cutoff=cutoff)), None)


def _unknown_key(
    keys: tuple[str, ...], around: Spot, errors: Sequence[ErrorDetails], origin: Origin
) -> BadInput:
    key = keys[-1]
    known = {name for section in around.sections for name in section.model_fields}
    lacking = {
        str(error["loc"][-1])
        for error in errors
        if error["type"] == "missing" and spot_at(error["loc"][:-1]).keys == around.keys
    }
    inner = {
        name: places
        for section in around.sections
        for name, places in field_names(section).items()
        if name not in known
    }
    near = nearest(key, lacking, 0.5) or nearest(key, known) or nearest(key, inner, 0.8)
    if not around.keys and key in _stages(origin):
        remedy = f"Did you mean 'stages.{key}'?"
    elif key in inner or (near and near not in known):
        places = inner.get(key) or inner[near or ""]
        remedy = f"Did you mean {_dotted((*around.keys, places[0]), origin)!r}?"
    elif near:
        remedy = f"Did you mean {near!r}?"
    else:
        remedy = f"Keys here: {', '.join(sorted(known))}."
    sentence = f"Unknown key {_dotted(keys, origin)!r} in the recipe."
    return place_error(sentence, remedy, keys, origin)


def _missing(error: ErrorDetails, spot: Spot, origin: Origin) -> BadInput:
    where = _dotted(spot.keys, origin)
    if spot.keys == ("stages",):
        return place_error(
            "The recipe has no stages.",
            'Add one, for example [stages.sft] with kind = "sft".',
            (),
            origin,
        )
    if isinstance(error["loc"][-1], int):
        whole = spot.keys[:-1]
        sentence = f"{_dotted(whole, origin)} = {_shown(error.get('input'))} cannot be used."
        remedy = f"It lacks entry {error['loc'][-1] + 1}."
        return place_error(sentence, remedy, whole, origin)
    return place_error(f"The recipe lacks {where!r}.", "Add it.", spot.keys, origin)


def _kind(error: ErrorDetails, spot: Spot, origin: Origin) -> BadInput:
    tags = {section.model_fields["kind"].default for section in spot.sections}
    given = error.get("input")
    listed = ", ".join(repr(tag) for tag in sorted(tags))
    if isinstance(given, dict) and "kind" in given:
        near = nearest(str(given["kind"]), tags)
        keys = (*spot.keys, "kind")
        sentence = f"{_dotted(keys, origin)} = {_shown(given['kind'])} is not known."
        remedy = f"Did you mean {near!r}?" if near else f"Use one of {listed}."
        return place_error(sentence, remedy, keys, origin)
    stages = _stages(origin)
    for path, option in origin.options.items():
        if len(path) > 2 and path[:2] == spot.keys and path[1] not in stages:
            near = nearest(path[1], stages)
            remedy = f"Did you mean 'stages.{near}'?" if near else f"Stages: {', '.join(stages)}."
            sentence = f"The recipe has no stage {path[1]!r} (from {option})."
            return BadInput(sentence, remedy=remedy)
    sentence = f"{_dotted(spot.keys, origin)} has no kind."
    name = spot.keys[-1] if spot.keys else ""
    remedy = f'Add kind = "{name}".' if name in tags else f"Add one of {listed}."
    return place_error(sentence, remedy, spot.keys, origin)


def _dict_key(error: ErrorDetails, spot: Spot, origin: Origin) -> BadInput:
    name = str(error.get("input"))
    if error["type"] == "string_pattern_mismatch":
        what = "reward" if "rewards" in error["loc"] else "stage"
        return place_error(
            f"{name!r} cannot be the name of a {what}.",
            "Use lower-case letters, digits and underscores, a letter first.",
            spot.keys,
            origin,
        )
    expected = str(error.get("ctx", {}).get("expected", ""))
    near = nearest(name, re.findall(r"'([^']+)'", expected))
    sentence = f"Unknown key {_dotted(spot.keys, origin)!r} in the recipe."
    remedy = f"Did you mean {near!r}?" if near else f"Use {expected}."
    return place_error(sentence, remedy, spot.keys, origin)


def _contradiction(message: str, around: tuple[str, ...], origin: Origin) -> BadInput:
    """A message of a section's own: ``key = value what is wrong: what to do``."""
    what, _, remedy = message.rpartition(": ")
    if origin.single and not around:
        what = what.replace(f"stages.{origin.single}.", "")
    first = what.split(" ", 1)[0].split(".")
    keys = (*around, *first)
    if not around and origin.single and first[0] != "stages":
        keys = ("stages", origin.single, *first)
    where = _dotted(around, origin)
    sentence = f"{where}: {what}." if where else f"{what}."
    return place_error(sentence, remedy[:1].upper() + remedy[1:] + ".", keys, origin)


def _as_written(keys: tuple[str, ...], origin: Origin) -> tuple[str, ...]:
    """Without the ``stages.NAME`` that a recipe of one stage does not write."""
    return keys[2:] if origin.single and keys[:2] == ("stages", origin.single) else keys


def _is_written(keys: tuple[str, ...], origin: Origin) -> bool:
    here: Any = origin.written
    for key in _as_written(keys, origin):
        if not isinstance(here, Mapping) or key not in here:
            return False
        here = here[key]
    return not isinstance(here, Mapping) or bool(here)


def _stages(origin: Origin) -> Mapping[str, Any]:
    stages = origin.written.get("stages")
    return stages if isinstance(stages, Mapping) else {}


def _dotted(keys: tuple[str, ...], origin: Origin) -> str:
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", ".".join(_as_written(keys, origin)))


def _shown(value: Any) -> str:
    """A value about as it is written in TOML, cut where it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str | int | float | list | tuple) else "{…}"
    return text if len(text) <= 60 else text[:59] + "…"


def no_preset(
    name: str, stage: Mapping[str, Any], known: Iterable[str], origin: Origin
) -> BadInput:
    """An unknown preset of a stage."""
    keys, names = ("stages", name, "preset"), sorted(known)
    near = nearest(str(stage["preset"]), names)
    listed = ", ".join(repr(preset) for preset in names) or "none"
    return place_error(
        f"{_dotted(keys, origin)} = {_shown(stage['preset'])} is not known.",
        f"Did you mean {near!r}?" if near else f"Presets of kind {stage.get('kind')!r}: {listed}.",
        keys,
        origin,
    )


def both_kinds(origin: Origin) -> BadInput:
    """A ``kind`` at the top beside ``stages``."""
    return place_error(
        "The recipe has both a kind and stages at the top.",
        f"Remove the kind, or move it into a stage (kinds: {', '.join(KINDS)}).",
        ("kind",),
        origin,
    )
