"""W&B (offline), MLflow and Trackio for real: installed apart, written to, read back by their own
readers. TensorBoard is small enough to be always there: it is tested in ``test_sinks.py``.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("dashboards_script.py")
PLACE = ROOT / ".venv-sinks"
"""Beside the environment the tests run in, so that nothing there changes its versions."""
PACKAGES = {"wandb": "wandb", "mlflow": "mlflow-skinny", "trackio": "trackio"}


@pytest.fixture(scope="module")
def packages() -> Path:
    """A folder with the three packages; made once, and kept for the next time."""
    if not (PLACE / "done").exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(PLACE)]
        subprocess.run([*install, *PACKAGES.values()], check=True, timeout=1200)
        (PLACE / "done").touch()
    return PLACE


@pytest.mark.proof
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_sink_wrote_is_read_back(name: str, packages: Path, tmp_path: Path) -> None:
    paths = [str(ROOT / "src"), str(packages)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), name, str(tmp_path / name)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    read = {int(step): row for step, row in json.loads(line).items()}
    assert {step: row["objective/kl"] for step, row in read.items()} == {1: 0.25, 2: 0.5, 3: 0.75}
    assert read[1]["loss"] == 1.5 and read[3]["loss"] == 1.25
    second = read[2].get("loss")
    assert second is None or isinstance(second, str) or math.isnan(second), "never made a number up"
