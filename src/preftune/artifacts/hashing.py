"""Content hashes: the same content gives the same name, on every machine and every run.

Everything is SHA-256, written as 64 lower-case hexadecimal digits.
"""

import hashlib
import inspect
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from preftune.records import BadInput, PreftuneError

PACKAGE = Path(__file__).resolve().parents[1]


def plain(value: Any, refuse: type[PreftuneError] = BadInput, place: str = "the value") -> Any:
    """``value`` as dicts, lists, strings, numbers, booleans and None, ready for JSON.

    Mappings become dicts (their keys must be strings), tuples become lists. A number that is
    not finite raises ``refuse`` and says where it stands; any other type raises TypeError.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise refuse(
                f"{place} is {float(value)}, which is not a finite number.",
                remedy="Only finite numbers can be written down and compared.",
            )
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{place} has the key {key!r}; only text can be a key")
        return {str(key): plain(item, refuse, f"{place}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, refuse, f"{place}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{place} is a {type(value).__name__}; only JSON's own types can be hashed")


_spelled = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
).encode


def canonical_json(value: Any) -> bytes:
    """The one spelling of ``value``: keys sorted, no spaces, ASCII, floats as ``repr`` has them.

    1 and 1.0 differ; a tuple and a list of the same items do not. BadInput for NaN and infinity,
    TypeError for anything that is not JSON (a path, a set, a key that is no string).
    """
    return _spelled(plain(value)).encode("ascii")


def sha256_bytes(content: bytes) -> str:
    """The hash of some bytes."""
    return hashlib.sha256(content).hexdigest()


def hash_value(value: Any) -> str:
    """The hash of ``canonical_json(value)``."""
    return sha256_bytes(canonical_json(value))


def hash_file(path: str | Path) -> str:
    """The hash of a file's bytes, read in blocks. BadInput when there is no such file."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(
            f"The file cannot be read: {error.strerror}.",
            file=path,
            remedy="Check the path and its permissions.",
        ) from error


def hash_tree(folder: str | Path) -> str:
    """The hash of a folder: every file's relative path and content, hidden files included.

    Links are followed. Times, owners, permissions, the folder's own name and folders without
    files do not count. BadInput when it is no folder or holds something that is no file.
    """
    root = Path(folder)
    if not root.is_dir():
        raise BadInput("There is no such folder.", file=root, remedy="Check the path.")
    return hash_value({path: hash_file(root / path) for path in _files(root, root, ())})


def hash_path(path: str | Path) -> str:
    """``hash_tree`` of a folder, ``hash_file`` of a file."""
    return hash_tree(path) if Path(path).is_dir() else hash_file(path)


def _files(root: Path, folder: Path, above: tuple[Path, ...]) -> Iterator[str]:
    here = folder.resolve()
    if here in above:
        raise BadInput("A link leads back into a folder above it.", file=folder)
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_dir():
            yield from _files(root, path, (*above, here))
        elif entry.is_file():
            yield path.relative_to(root).as_posix()
        else:
            raise BadInput(
                "This is neither a file nor a folder, so its content cannot be hashed.",
                file=path,
                remedy="Remove it (it may be a broken link, a pipe or a socket).",
            )


@cache
def code_hash() -> str:
    """The hash of preftune's own source: every file of the package except compiled ones."""
    files = (p for p in PACKAGE.rglob("*") if "__pycache__" not in p.parts and p.is_file())
    return hash_value({p.relative_to(PACKAGE).as_posix(): hash_file(p) for p in files})


def hash_callable(function: Callable[..., Any]) -> str:
    """The hash of a user's function: its qualified name and the whole file it stands in.

    The whole file, because a function calls others beside it. BadInput when there is no file
    (typed into a prompt, or compiled).
    """
    name = getattr(function, "__qualname__", type(function).__qualname__)
    owner = function if hasattr(function, "__qualname__") else type(function)
    try:
        source = inspect.getsourcefile(owner)
    except TypeError:
        source = None
    if source is None or not Path(source).is_file():
        raise BadInput(
            f"The source of {name} cannot be found, so a run with it could not be repeated.",
            remedy="Define it in a Python file.",
        )
    return hash_value({"name": name, "file": hash_file(source)})


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed of 63 bits for one purpose: ``derive_seed(seed, "ppo", "rollout", step)``.

    Different names give unrelated seeds, the same names always the same one, so work redone
    after a stop draws the same numbers.
    """
    digest = hashlib.sha256(canonical_json([seed, *names])).digest()
    return int.from_bytes(digest[:8], "big") >> 1
