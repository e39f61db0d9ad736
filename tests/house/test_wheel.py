"""What is in the wheel, and what it needs."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator

import pytest

from tests.house.source import PACKAGE, ROOT, Module, modules


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("preftune-*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_code_recipes_and_licence(wheel: zipfile.ZipFile) -> None:
    packed = set(wheel.namelist())
    recipes = {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*.toml")}
    code = {str(module.path.relative_to(PACKAGE.parent)) for module in modules()}
    assert len(recipes) >= 3 and recipes <= packed
    assert code <= packed
    assert "preftune/py.typed" in packed
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in packed)


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    odd = [
        name
        for name in wheel.namelist()
        if not name.startswith(("preftune/", "preftune-")) or name.endswith((".pyc", ".ipynb"))
    ]
    assert odd == []


def test_a_plain_install_brings_the_words_wing_only(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = wheel.read(name).decode()
    lines = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    plain = [line for line in lines if "extra ==" not in line]
    assert len(plain) >= 5
    assert [line for line in plain if re.search("torch|transformers|tokenizers|scikit", line)] == []
    assert any("torch" in line and "train" in line for line in lines)
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_the_command_is_installed(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "preftune = preftune.cli:main" in wheel.read(name).decode()


def declared(extras: tuple[str, ...]) -> set[str]:
    """Names of the packages that preftune with these extras asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][e] for e in extras)]
    return {re.split(r"[<>=\[ ]", line)[0].lower() for lines in lists for line in lines}


def test_pinned_versions_cover_what_the_tests_install() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    odd = [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.!]+", line)]
    assert odd == [], "a local version or a host"
    assert "torch==2.13.0" in pins
    wanted = declared(("train", "control", "datasets", "tensorboard", "test", "docs", "dev"))
    assert wanted - {line.partition("==")[0].lower() for line in pins} == set()


# Imported under another name than the package's, or as a part of a declared package.
IMPORTED_AS = {
    "argon2-cffi": "argon2",
    "markdown-it-py": "markdown_it",
    "mlflow-skinny": "mlflow",
    "python-multipart": "python_multipart",
    "pyyaml": "yaml",
    "rouge-score": "rouge_score",
    "scikit-learn": "sklearn",
}
ASKED_FOR = {"python_multipart"}  # by fastapi, which reads forms with it
PARTS = {"pydantic_core", "markupsafe", "starlette"}  # of pydantic, jinja2 and fastapi


def imported(module: Module) -> Iterator[str]:
    """The packages a module imports, those by :func:`import_extra` too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
    yield from re.findall(r"import_extra\(\"([a-z_]+)", module.text)


def test_what_the_code_imports_is_declared_and_no_more() -> None:
    found = {name for module in modules() for name in imported(module)}
    sinks = ("tensorboard", "wandb", "mlflow", "trackio")
    extras = ("train", "qlora", "rules", "metrics", "datasets", "bench", "vllm", *sinks)
    known = {IMPORTED_AS.get(name, name) for name in declared(extras)}
    third_party = found - set(sys.stdlib_module_names) - {"preftune"} - PARTS
    assert third_party - known == set(), "imported and not declared"
    assert known - found - ASKED_FOR == set(), "declared and not imported"
