"""What verbs that train, sample or score need besides the plain installation."""

from importlib.util import find_spec

from preftune.records import BadInput

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "peft",
    "sklearn",
)
INSTALL = "pip install 'preftune[train]'"


def missing_packages() -> list[str]:
    """Packages of the ``train`` extra that cannot be imported here; nothing is imported."""
    return [name for name in PACKAGES if find_spec(name) is None]


def require_train(verb: str) -> None:
    """Raises :class:`BadInput` naming the command that installs what ``verb`` lacks."""
    missing = missing_packages()
    if missing:
        needs = "is" if len(missing) == 1 else "are"
        raise BadInput(
            f"`preftune {verb}` needs {', '.join(missing)}, which {needs} not installed.",
            remedy=f"Run: {INSTALL}",
        )
