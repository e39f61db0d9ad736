"""The page of every key of a recipe, written from the sections themselves."""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from preftune.recipe.compute import COMPUTING
from preftune.recipe.recipe import Recipe
from preftune.recipe.sections import Section, Source
from preftune.recipe.walk import KINDS

INTRODUCTION = """\
# Recipes

A recipe is a TOML file that says what a run does. Its stages run in the order written, and each
may read what earlier ones wrote:

```toml
title = "A first reward model"
seed = 1

[stages.comparisons]
kind = "dataset"
source = "comparisons.jsonl"
by = "prompt"

[stages.judge]
kind = "reward_model"
model = "models/small"
train = "stage:comparisons/train"
validation = "stage:comparisons/validation"
optimizer.learning_rate = 1e-4
```

`preftune check RECIPE.toml` reads it without training anything and prints the resolved recipe as
JSON, every default filled in. That JSON is a recipe too.

**Another's stages.** A recipe may begin with the stages of another one, a packaged recipe or a file
beside it; what it says of an inherited stage goes over that stage's own keys:

```toml
title = "The quickstart, with a smaller penalty"

[extends]
recipe = "world/quickstart"
stages = ["world", "base", "sft", "candidates", "labels", "reward", "ppo"]

[stages.ppo]
kl.coefficient = 0.05
```

Without `stages` all of them are taken; a list of such tables takes stages from several recipes, as
`world/methods` does. Finished stages are known by their content, so a copy
of a run's folder gives its stages to the new run.

**One stage.** A recipe with `kind` at the top is a single stage, named after its kind:

```toml
kind = "sft"
model = "hub:gpt2"
train = "demonstrations.jsonl"
epochs = 2
```

**Sources.** An input is `stage:NAME` or `stage:NAME/OUTPUT` (an earlier stage's output, `model`
where none is said), `data:FILE` (a file under `data.root`), `hub:NAME` (fetched from the model
hub), or a path relative to where the command runs.

**Parts of a section.** Keys that are left out keep their defaults, in inner sections too: the
recipe above changes the learning rate of the reward model's optimizer and nothing else of it.
Where a section has kinds (`kl`, `missing_eos`), a part without `kind` belongs to the default one.

**The command line.** `--set key.path=value` writes over the file, `--seed N` over `seed`:
`preftune run RECIPE.toml --set stages.judge.epochs=2`. Values are TOML; text needs no quotes.

**Presets.** `preset = "NAME"` in a stage takes a paper's settings; keys written beside it win.
See [presets](presets.md).

**Mistakes.** Unknown keys, values out of range and settings that contradict each other are refused
with the line and what to do. Nothing is ignored in silence.
"""


def recipe_page() -> str:
    """``docs/recipes.md``: the keys of every section with type, default and meaning."""
    lines = [INTRODUCTION, "## The recipe\n", *_table(Recipe), "## Stages\n"]
    for kind, section in KINDS.items():
        lines += [f"### {kind}\n", _prose(section) + "\n", *_table(section)]
    lines.append("## Sections that stages share\n")
    for section in _inner_sections():
        lines += [f"### {section.__name__}\n", _prose(section) + "\n", *_table(section)]
    return "\n".join(lines).rstrip() + "\n"


def _inner_sections() -> list[type[Section]]:
    found: list[type[Section]] = []
    pending: list[type[Section]] = [Recipe, *KINDS.values()]
    while pending:
        fields = pending.pop(0).model_fields.values()
        inner = [part for field in fields for part in _sections_within(field.annotation)]
        fresh = [part for part in dict.fromkeys(inner) if part not in {*found, *KINDS.values()}]
        found += fresh
        pending += fresh
    return found


def _sections_within(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_within(part)


def _table(section: type[Section]) -> list[str]:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    own = [name for name in section.model_fields if name not in COMPUTING]
    for name in [*own, *(name for name in COMPUTING if name in section.model_fields)]:
        field = section.model_fields[name]
        meaning = "Which section this is." if name == "kind" else _markdown(field.description)
        cells = [f"`{name}`", _kind_of_value(field), _default(field), meaning]
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return [*lines, ""]


def _kind_of_value(field: FieldInfo) -> str:
    limits = _limits(field.metadata)
    return _shape(field.annotation) + (f", {limits}" if limits else "")


def _limits(metadata: Any) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(limit, name):g}"
        for limit in metadata
        for name, sign in signs.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join(found)


def _shape(annotation: Any) -> str:
    plain = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    if annotation in plain:
        return plain[annotation]
    if annotation is Source:
        return "source"
    if annotation is Any:
        return "anything"
    if annotation is type(None):
        return "nothing"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        names = {stage: kind for kind, stage in KINDS.items()}
        name = names.get(annotation, annotation.__name__)
        return f"[{name}](#{name.lower()})"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = _limits([one for part in inner[1:] for one in getattr(part, "metadata", [part])])
        return _shape(inner[0]) + (f" ({limits})" if limits else "")
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in inner)
    if origin in (Union, types.UnionType):
        choices = [_shape(choice) for choice in inner if choice is not type(None)]
        return "a stage" if len(choices) == len(KINDS) else " or ".join(choices)
    if origin is dict:
        return f"name → {_shape(inner[1])}"
    if inner[-1] is Ellipsis:
        return f"list of {_shape(inner[0])}"
    return f"[{', '.join(_shape(part) for part in inner)}]"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, Section):
        plain = type(field.default)()
        changed = [
            f"`{name} = {_shown(getattr(field.default, name))}`"
            for name in type(field.default).model_fields
            if getattr(field.default, name) != getattr(plain, name)
        ]
        name = field.default.__class__.__name__
        return ", ".join(changed) if changed else f"{name}'s own"
    return _shown(field.get_default(call_default_factory=True))


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if value == {} or value == ():
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    if isinstance(value, tuple | list):
        return f"[{', '.join(_shown(part) for part in value)}]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _prose(section: type[Section]) -> str:
    return _markdown(" ".join((section.__doc__ or "").split()))


def _markdown(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").split())
