"""Imports go down the floors, sit at the top of files, and keep torch out of the words rooms."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.house.source import PACKAGE, ROOT, Module, modules, read_module, rooms

WORDS = {
    "records",
    "recipe",
    "stats",
    "artifacts",
    "monitoring",
    "judging",
    "data",
    "feedback",
    "reports",
    "worlds",
    "web",
}
NUMBERS = {"maths", "models", "training", "rollouts", "rewards", "algorithms", "evaluation"}
MEETING = {"pipeline", "serving", "cli"}
HEAVY = ("torch", "transformers", "sklearn", "safetensors", "tokenizers")

# Packages that only an extra brings; the one place their adapter may import them is a function.
OPTIONAL = {
    "datasets",
    "jsonschema",
    "mlflow",
    "rouge_score",
    "tensorboard",
    "trackio",
    "vllm",
    "wandb",
}


def contracts() -> dict[str, dict[str, Any]]:
    """The import rules of pyproject.toml by name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {rule["name"]: rule for rule in settings["tool"]["importlinter"]["contracts"]}


def late_imports(module: Module) -> Iterable[str]:
    """Imports inside functions that are not an optional package's."""
    for outer in ast.walk(module.tree):
        if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(outer):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "."]
            else:
                continue
            if any(name.split(".")[0] not in OPTIONAL for name in names):
                yield f"{module.path}:{node.lineno} imports {', '.join(names)} inside a function"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the package in ``folder/src`` with ``folder/pyproject.toml``."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports; "
            "sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))",
            "pyproject.toml",
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copied_house(tmp_path: Path) -> Path:
    shutil.copytree(
        PACKAGE, tmp_path / "src/preftune", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_room_is_in_one_wing() -> None:
    unplaced = rooms() - WORDS - NUMBERS - MEETING
    assert not unplaced, f"say in tests/house/test_imports.py which wing these are in: {unplaced}"


def test_the_import_rules_hold(copied_house: Path) -> None:
    done = lint(copied_house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("records/errors.py", "import preftune.recipe", "Imports go down"),
        ("recipe/ppo.py", "import torch", "words rooms run without torch"),
        ("worlds/helpdesk/judge.py", "import preftune.maths", "words rooms never reach numbers"),
        ("data/tables.py", "import preftune.worlds", "Imports go down"),
        ("maths/kl.py", "import preftune.data", "Imports go down"),
        ("rollouts/__init__.py", "import preftune.feedback", "Numbers rooms never"),
    ],
)
def test_a_forbidden_import_is_caught(
    copied_house: Path, file: str, line: str, broken: str
) -> None:
    path = copied_house / "src/preftune" / file
    path.write_text(path.read_text() + f"\n{line}\n")
    done = lint(copied_house)
    assert done.returncode == 1, done.stdout + done.stderr
    report = " ".join(done.stdout.split())
    assert broken in report and "BROKEN" in report


def test_the_contracts_name_every_room_of_their_wing() -> None:
    def built(names: set[str]) -> set[str]:
        return {f"preftune.{room}" for room in rooms() & names}

    words = contracts()["The words rooms run without torch"]
    assert set(words["source_modules"]) == built(WORDS)
    assert set(words["forbidden_modules"]) == set(HEAVY)
    apart = contracts()["The words rooms never reach numbers rooms, the pipeline or serving"]
    assert set(apart["source_modules"]) == built(WORDS)
    assert set(apart["forbidden_modules"]) == built(NUMBERS | {"pipeline", "serving"})
    numbers = contracts()["Numbers rooms never reach feedback, worlds, reports or the web"]
    assert set(numbers["source_modules"]) == built(NUMBERS)
    assert set(numbers["forbidden_modules"]) == built({"feedback", "worlds", "reports", "web"})


RUN_BY_ALEMBIC = {"preftune.feedback.store.migrations.env"}
"""No module: a script that alembic runs while it migrates."""


def test_words_rooms_import_where_torch_is_absent() -> None:
    names = [m.name for m in modules() if m.room in WORDS and m.name not in RUN_BY_ALEMBIC]
    assert len(names) > 30
    blocked = "\n".join(f"sys.modules[{name!r}] = None" for name in (*HEAVY, *sorted(OPTIONAL)))
    program = (
        f"import importlib, sys\n{blocked}\nfor name in {names!r}: importlib.import_module(name)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_imports_stand_at_the_top_of_files() -> None:
    allowed = ("preftune", "cli")
    late = [
        line
        for module in modules()
        if module.name != allowed[0] and module.room != allowed[1]
        for line in late_imports(module)
    ]
    assert late == []


def test_a_late_import_is_caught() -> None:
    bad = read_module("def f() -> None:\n    if True:\n        import json\n")
    assert list(late_imports(bad)) == ["x.py:3 imports json inside a function"]
    adapter = read_module("def f() -> None:\n    import datasets\n")
    assert list(late_imports(adapter)) == []
