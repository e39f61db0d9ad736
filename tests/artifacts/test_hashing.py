"""Hashes are pinned: they name artifacts on other machines and in older runs."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import preftune
from preftune.artifacts import (
    canonical_json,
    code_hash,
    derive_seed,
    hash_callable,
    hash_file,
    hash_path,
    hash_tree,
    hash_value,
    sha256_bytes,
)
from preftune.records import BadInput


def test_canonical_json_is_pinned() -> None:
    value = {"b": [1, 2.5, None, True], "a": {"é": "x\n", "A": 1e-7}}
    assert canonical_json(value) == (b'{"a":{"A":1e-07,"\\u00e9":"x\\n"},"b":[1,2.5,null,true]}')


def test_hash_value_is_the_sha256_of_the_canonical_spelling() -> None:
    # printf '%s' '{"a":1}' | sha256sum
    assert (
        hash_value({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )
    # printf '' | sha256sum
    assert sha256_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_order_of_keys_and_kind_of_container_do_not_count_but_number_types_do() -> None:
    assert hash_value({"a": 1, "b": (1, 2)}) == hash_value({"b": [1, 2], "a": 1})
    assert hash_value(MappingProxyType({"a": 1})) == hash_value({"a": 1})
    assert hash_value(np.float64(0.1)) == hash_value(0.1)
    assert hash_value(1) != hash_value(1.0)
    assert hash_value(1) != hash_value(True)
    assert hash_value("1") != hash_value(1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(json_values, json_values)
def test_equal_spelling_means_equal_value(a: object, b: object) -> None:
    try:
        same = canonical_json(a) == canonical_json(b)
    except BadInput:  # infinities
        return
    assert same == (repr_sorted(a) == repr_sorted(b))


def repr_sorted(value: object) -> object:
    if isinstance(value, dict):
        return ("dict", sorted((key, repr_sorted(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", [repr_sorted(item) for item in value])
    return repr(value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_refused_with_its_place(number: float) -> None:
    with pytest.raises(BadInput, match=r"the value\['lr'\]\[1\] is (nan|inf|-inf)"):
        canonical_json({"lr": [0.1, number]})


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError, match="PosixPath"):
        canonical_json({"path": Path("/tmp")})
    with pytest.raises(TypeError, match="key 1"):
        canonical_json({1: "a"})


def test_hash_tree_counts_paths_and_contents_and_nothing_else(tmp_path: Path) -> None:
    def make(root: Path, files: dict[str, bytes]) -> str:
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return hash_tree(root)

    files = {"b.txt": b"two", "a/x.bin": b"\x00", ".hidden": b""}
    first = make(tmp_path / "one", files)
    second = make(tmp_path / "elsewhere" / "two", dict(reversed(files.items())))
    os.utime(tmp_path / "one" / "b.txt", (1, 1))
    (tmp_path / "one" / "b.txt").chmod(0o600)
    assert hash_tree(tmp_path / "one") == first == second
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert first == hash_value(listed)
    assert make(tmp_path / "three", {**files, ".hidden": b"x"}) != first
    assert make(tmp_path / "four", {**files, "empty": b""}) != first
    moved = {"b.txt": b"two", "a/y.bin": b"\x00", ".hidden": b""}
    assert make(tmp_path / "five", moved) != first
    assert hash_path(tmp_path / "one") == first
    assert hash_path(tmp_path / "one" / "b.txt") == hash_file(tmp_path / "one" / "b.txt")


def test_hash_tree_follows_links_and_refuses_loops_and_broken_ones(tmp_path: Path) -> None:
    real, linked = tmp_path / "real", tmp_path / "linked"
    real.mkdir()
    linked.mkdir()
    (real / "w").write_bytes(b"weights")
    (linked / "w").symlink_to(real / "w")
    assert hash_tree(linked) == hash_tree(real)
    (real / "loop").symlink_to(real)
    with pytest.raises(BadInput, match="leads back"):
        hash_tree(real)
    (linked / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="neither a file nor a folder"):
        hash_tree(linked)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        hash_file(tmp_path / "absent")
    assert caught.value.file == str(tmp_path / "absent")
    with pytest.raises(BadInput, match="no such folder"):
        hash_tree(tmp_path / "absent")


def test_derived_seeds_are_pinned_and_unrelated() -> None:
    digest = hashlib.sha256(b'[7,"ppo","rollout",3]').hexdigest()
    assert derive_seed(7, "ppo", "rollout", 3) == int(digest[:16], 16) // 2
    many = {derive_seed(s, n, k) for s in range(10) for n in ("a", "b") for k in range(50)}
    assert len(many) == 1000
    assert all(0 <= seed < 2**63 for seed in many)
    assert derive_seed(1, "ab") != derive_seed(1, "a", "b")
    assert derive_seed(1, "1") != derive_seed(1, 1)


def test_hashes_do_not_depend_on_the_process() -> None:
    program = (
        "from preftune.artifacts import *;"
        "print(hash_value({'b': 1, 'a': [2.5]}), derive_seed(1, 'x'), code_hash())"
    )
    seen = set()
    for hash_seed in ("0", "12345"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            check=True,
            timeout=120,
        )
        seen.add(done.stdout)
    expected = f"{hash_value({'b': 1, 'a': [2.5]})} {derive_seed(1, 'x')} {code_hash()}\n"
    assert seen == {expected.encode()}


def test_hash_callable_changes_with_the_file_and_the_name(tmp_path: Path) -> None:
    def load(text: str) -> dict[str, Any]:
        path = tmp_path / "mine.py"
        path.write_text(text)
        names: dict[str, Any] = {}
        exec(compile(text, str(path), "exec"), names)
        return names

    text = "def f(x):\n    return g(x)\ndef g(x):\n    return 1\n"
    names = load(text)
    f, g = hash_callable(names["f"]), hash_callable(names["g"])
    assert f != g
    assert hash_callable(load(text)["f"]) == f
    assert hash_callable(load(text.replace("return 1", "return 2"))["f"]) != f
    with pytest.raises(BadInput, match="source of len"):
        hash_callable(len)


def test_hash_callable_takes_objects_with_call() -> None:
    class Reward:
        def __call__(self) -> float:
            return 1.0

    assert hash_callable(Reward()) == hash_callable(Reward())


def test_the_code_hash_is_of_the_sources_and_not_of_compiled_files() -> None:
    package = Path(preftune.__file__).parent
    listed = {
        path.relative_to(package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in package.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert "artifacts/hashing.py" in listed
    assert code_hash.__wrapped__() == hash_value(listed)
