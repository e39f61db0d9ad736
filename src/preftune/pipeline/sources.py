"""From a recipe's sources to files on this disk, with their content hashes."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from preftune.artifacts import Manifest, Parent, hash_path
from preftune.pipeline.frozen_feedback import STORE, frozen_feedback
from preftune.recipe import COMPUTING, Recipe, Section, Source, sources_of
from preftune.records import BadInput

GOLD = "gold:"
ONLY_MEMORY = ("activation_checkpointing",)
ADDED = (*COMPUTING, "reference_logprobs")
"""Keys that recipes once did not have."""
SUMMARY = "summary"
"""The output of a measuring stage that holds its numbers; never meant by ``stage:NAME`` alone."""


def resolve(
    stage: str,
    settings: Section,
    recipe: Recipe,
    run: Path,
    finished: Mapping[str, tuple[Path, Manifest]],
) -> tuple[dict[str, Path], tuple[Parent, ...]]:
    """The path of every source by role, and the same as a manifest's parents.

    Raises :class:`BadInput` for what is not there, naming the role and the nearest right output.
    """
    paths: dict[str, Path] = {}
    parents: list[Parent] = []
    for role, source in sources_of(settings).items():
        if source.startswith(GOLD):
            paths[role] = Path(source)
            continue
        if source.stage is not None:
            folder, manifest = finished[source.stage[0]]
            output = _output(stage, role, source, manifest)
            paths[role] = folder / output["path"]
            shown = paths[role].relative_to(run).as_posix()
            parents.append(Parent(role, source.stage[0], shown, output["sha256"]))
            continue
        if source.startswith(STORE):
            path = frozen_feedback(f"stages.{stage}.{role}", source, run)
            paths[role] = path
            parents.append(Parent(role, None, path.relative_to(run).as_posix(), hash_path(path)))
            continue
        path = _outside(stage, role, source, recipe)
        paths[role] = path
        parents.append(Parent(role, None, str(path), hash_path(path)))
    return paths, tuple(parents)


def without_sources(settings: Section) -> dict[str, object]:
    """A stage's settings as JSON, each source replaced by its role: places do not count.

    Nor does what happens after the stage: whether a run goes on after a guard's halt.
    """
    dumped = settings.model_dump(mode="json")
    dumped.get("guards", {}).pop("on_halt", None)
    _forget_defaults(settings, dumped)
    for role in sources_of(settings):
        here = dumped
        *above, last = role.split(".")
        for part in above:
            here = here[int(part)] if isinstance(here, list) else here[part]
        key = int(last) if isinstance(here, list) else last
        gold = str(here[key]).startswith(GOLD)
        here[key] = here[key] if gold else f"<{role}>"
    return dumped


def _forget_defaults(settings: Section, dumped: dict[str, object]) -> None:
    """These keys count where they are said: runs made before there were any stay valid.

    What only costs or saves memory never counts.
    """
    for name in ADDED:
        field = type(settings).model_fields.get(name)
        if field is not None and (name in ONLY_MEMORY or getattr(settings, name) == field.default):
            dumped.pop(name, None)


def _output(stage: str, role: str, source: Source, manifest: Manifest) -> Mapping[str, str]:
    assert source.stage is not None
    name, output = source.stage
    if output in manifest.outputs:
        return manifest.outputs[output]  # type: ignore[return-value]
    known = sorted(manifest.outputs)
    alone = [name for name in known if name != SUMMARY]
    if "/" not in source and len(alone) == 1:
        return manifest.outputs[alone[0]]  # type: ignore[return-value]
    near = difflib.get_close_matches(output, known, n=1, cutoff=0.5)
    remedy = f"Did you mean stage:{name}/{near[0]}?" if near else f"It has {', '.join(known)}."
    raise BadInput(
        f"stages.{stage}.{role}: stage {name!r} has no output {output!r}.", remedy=remedy
    )


def _outside(stage: str, role: str, source: Source, recipe: Recipe) -> Path:
    if source.startswith("hub:"):
        return _from_hub(source.removeprefix("hub:"))
    if source.startswith("data:"):
        root = Path(recipe.data.root or ".").expanduser()
        path = root / source.removeprefix("data:")
    else:
        path = Path(source).expanduser()
    if not path.exists():
        raise BadInput(
            f"stages.{stage}.{role} names a file that does not exist.",
            file=path,
            remedy="Check the path, or data.root for data: sources.",
        )
    return path.absolute()


def _from_hub(name: str) -> Path:
    try:
        return Path(snapshot_download(name, ignore_patterns=["*.bin", "*.pt", "*.msgpack"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise BadInput(
            f"The hub repository {name!r} cannot be fetched.",
            remedy="Check the name and the network, or give a local folder.",
        ) from error
