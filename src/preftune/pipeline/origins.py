"""Which folder of models a person means, and what a model was trained on. No torch."""

from pathlib import Path

from preftune.artifacts import Manifest, hash_path, read_manifest
from preftune.artifacts.manifest import MANIFEST_NAME
from preftune.data import load_comparisons
from preftune.recipe.reward_model import ON_COMPARISONS
from preftune.records import BadInput, Comparison

Found = tuple[list[Comparison] | None, str | None, str | None]


def model_folder(source: str | Path) -> str | Path:
    """The model of a stage's folder; a model's own folder and ``hub:NAME`` as they are.

    Raises :class:`BadInput` for a run's folder, naming its models.
    """
    if str(source).startswith("hub:"):
        return str(source)
    folder = Path(source).expanduser()
    for place in (folder, folder / "model"):
        if any((place / name).is_file() for name in ("config.json", "ensemble.json")):
            return place
    models = sorted(path.parent for path in folder.glob("stages/*/model/config.json"))
    if models:
        listed = ", ".join(str(path) for path in models)
        raise BadInput(
            "This is a run with several models, not a model.",
            file=folder,
            remedy=f"Name one of them: {listed}.",
        )
    if not folder.exists():
        raise BadInput(
            "There is no such model folder.",
            file=folder,
            remedy="Check the path, or write hub:NAME for a model of the hub.",
        )
    return folder


def training_rows(model: str | Path, given: str | Path | None) -> Found:
    """Comparisons to fit baselines on, the file they are from, and why there are none.

    ``given`` goes first; else the rows the model itself was trained on, found through the
    manifest of the stage that made it, if their content is still what it was.
    """
    if given is not None:
        return load_comparisons(given), str(given), None
    stage = _stage_of(Path(model).absolute())
    if stage is None:
        return _none("The model lies in no stage's folder, so its training rows are not known.")
    folder, manifest = stage
    parents = [parent for parent in manifest.parents if parent.role == "train"]
    if not parents:
        return _none(f"The manifest of stage {manifest.name!r} names no training rows.")
    path = folder.parent.parent / parents[0].path
    if not path.exists():
        return _none(f"The training rows are gone: {path}.")
    if hash_path(path) != parents[0].sha256:
        return _none(f"The training rows have changed since: {path}.")
    objective = manifest.recipe.get("objective", {}).get("kind", ON_COMPARISONS[0])
    if objective not in ON_COMPARISONS:
        return _none(f"The model was trained on no comparisons (objective {objective!r}).")
    skip_bad = manifest.recipe.get("skip_bad", 0)
    return load_comparisons(path, skip_bad=skip_bad), str(path), None


def start_of(model: str | Path) -> str | None:
    """The content hash of the model that this one was tuned from; None where no manifest says."""
    if str(model).startswith("hub:"):
        return None
    stage = _stage_of(Path(model).expanduser().absolute())
    if stage is None:
        return None
    roles = {parent.role: parent.sha256 for parent in stage[1].parents}
    return roles.get("policy", roles.get("model"))


def _none(reason: str) -> Found:
    return None, None, f"{reason} Name them with --baseline-train."


def _stage_of(model: Path) -> tuple[Path, Manifest] | None:
    for folder in (model, *model.parents):
        if (folder / MANIFEST_NAME).is_file():
            return folder, read_manifest(folder)
    return None
