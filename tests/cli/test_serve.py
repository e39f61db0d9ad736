"""`preftune serve` as a process of its own: it answers, and ends when it is told to."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.cli.command import preftune


def test_it_serves_the_models_of_a_run_until_it_is_interrupted(run_folder: Path) -> None:
    stages = {path.name[3:]: path for path in (run_folder / "stages").iterdir()}
    models = [f"{name}={stages[name]}" for name in ("sft", "ppo")]
    command = [sys.executable, "-m", "preftune", "serve", *models, "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        said = next(line for line in server.stderr if "playground at" in line)
        url = re.search(r"http://\S+$", said.strip())[0]  # type: ignore[index]
        offered = httpx.get(f"{url}/v1/models", timeout=60).json()["data"]
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
    finally:
        server.kill()
    assert [model["id"] for model in offered] == ["sft", "ppo"]
    assert server.returncode == 0, err
    assert json.loads(out) == {"url": url, "models": ["sft", "ppo"]}


def test_an_address_in_use_is_one_sentence(run_folder: Path) -> None:
    folder = next((run_folder / "stages").glob("*-sft"))
    done = preftune("serve", str(folder), "--port", "1", "--host", "192.0.2.1")
    assert done.code == 2
    assert "192.0.2.1" in done.err and "Traceback" not in done.err
