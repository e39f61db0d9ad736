"""The wheel in empty environments: all of it with torch, the words wing without."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.house.source import PACKAGE, ROOT

pytestmark = pytest.mark.proof

OURS = ("PYTHONPATH", "VIRTUAL_ENV", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM")
"""What the tests are started with, and a user is not."""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in OURS}
    return subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "pairs.jsonl"
    pair = {"prompt": "Is tea hot?", "chosen": "Yes, usually.", "rejected": "No."}
    path.write_text(json.dumps(pair) + "\n")
    return path


def environment(folder: Path, *installs: str) -> Path:
    """A new environment with ``installs``, each one pip command; returns its bin folder."""
    venv.create(folder, with_pip=True)
    for install in installs:
        pip = [folder / "bin/python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt"]
        done = run(*pip, install, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder / "bin"


def answer(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, object]:
    """The one JSON object a verb printed."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_words_wing_works_without_torch(tmp_path: Path, wheel: Path, rows: Path) -> None:
    finished = tmp_path / "finished"
    recipe = PACKAGE / "recipes/tiny/sft.toml"
    made = run(sys.executable, "-m", "preftune", "run", recipe, "--out", finished, cwd=ROOT)
    assert made.returncode == 0, made.stderr

    bin_folder = environment(tmp_path / "env", str(wheel))
    preftune = bin_folder / "preftune"
    absent = run(bin_folder / "python", "-c", "import torch", cwd=tmp_path)
    assert "ModuleNotFoundError" in absent.stderr

    assert "stages" in answer(run(preftune, "check", recipe, "--json", cwd=tmp_path))
    inspected = answer(run(preftune, "data", "inspect", rows, "--json", cwd=tmp_path))
    assert inspected["rows"] == 1
    graph = answer(run(preftune, "lineage", finished, "--json", cwd=tmp_path))
    assert graph["nodes"] and graph["edges"]
    (finished / "report.html").unlink(missing_ok=True)
    assert run(preftune, "report", finished, cwd=tmp_path).returncode == 0
    assert (finished / "report.html").stat().st_size > 1000

    for verb in (["run", recipe], ["quickstart"], ["chat", finished], ["doctor"]):
        done = run(preftune, *verb, cwd=tmp_path)
        if verb == ["doctor"]:
            assert done.returncode == 0 and "preftune[train]" in done.stdout + done.stderr
            continue
        assert done.returncode == 2, done.stdout + done.stderr
        assert "pip install 'preftune[train]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_wheel_with_torch_runs_the_quickstart(tmp_path: Path, wheel: Path) -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    (torch,) = [line for line in pins if line.startswith("torch==")]
    bin_folder = environment(tmp_path / "env", torch, f"{wheel}[train]")
    out = tmp_path / "run"
    done = run(bin_folder / "preftune", "quickstart", "--out", out, "--json", cwd=tmp_path)
    result = answer(done)
    assert result["status"] == "done"
    assert Path(str(result["report"])) == out / "report.html"
    assert (out / "report.html").is_file()
    for name in ("reward_model_accuracy", "win_rate", "win_rate_base"):
        estimate = result[name]
        assert isinstance(estimate, dict)
        assert estimate["low"] <= estimate["value"] <= estimate["high"]
        assert estimate["count"] >= 500 or name == "reward_model_accuracy"
    rate = result["win_rate_base"]
    assert isinstance(rate, dict) and rate["low"] > 0.5
    gold = result["gold"]
    assert isinstance(gold, dict) and set(gold) >= {"base", "sft", "ppo", "best_of_64"}
    assert "kl" in result and "noise_ceiling" in result
