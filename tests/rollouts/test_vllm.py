"""The real vLLM, in an environment of its own: the policy's numbers, before and after its weights
are replaced, in process and over HTTP. Minutes long, most of them vLLM starting."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from preftune.models import build_policy, save_model
from preftune.rollouts import WeightsFolder
from tests.house.source import ROOT
from tests.models.made import tokenizer
from tests.rollouts.vllm_script import SHAPE

VENV = ROOT / ".venv-vllm" / "bin"
SCRIPT = ROOT / "tests" / "rollouts" / "vllm_script.py"
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_DO_NOT_TRACK": "1",
    "TORCH_COMPILE_DISABLE": "1",
}
PATIENCE = 1500

pytestmark = pytest.mark.proof


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | ENVIRONMENT | more


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    subprocess.run([ROOT / ".ci" / "vllm"], check=True, timeout=PATIENCE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(
        build_policy(SHAPE, tokenizer(), 0), tokenizer(), _made(tmp_path / "start"), "a card"
    )
    return tmp_path


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [VENV / "python", SCRIPT, arguments[0], folder, *arguments[1:]],
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT / "src")),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith('{"first"'))
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def check(found: dict[str, Any]) -> None:
    for name in ("first", "second", "stopped", "adapter"):
        assert found[name]["gap"] < 1e-4, name
    assert found["again"]["tokens"] == found["first"]["tokens"] != found["second"]["tokens"]
    assert found["first"]["versions"] == ["iteration-0"]
    assert found["second"]["versions"] == ["iteration-1"]
    stop = found["stop"]
    for tokens, reason in zip(found["stopped"]["tokens"], found["stopped"]["reasons"], strict=True):
        assert stop not in tokens[:-1]
        assert (tokens[-1] == stop) == (reason == "stop")
    assert "stop" in found["stopped"]["reasons"]
    assert "does not write with the weights" in found["deaf"]
    assert len(found["gaps"]) == 3 and max(found["gaps"]) < 1e-4
    assert found["left"] == []


def test_in_this_process(folder: Path) -> None:
    check(run(folder, "local"))


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """One ``vllm serve`` on a free port of this machine, ready to answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The command `vllm` looks for the package of that name, and for processors it is vllm-cpu.
    command = [VENV / "python", "-m", "vllm.entrypoints.openai.api_server", "--model", folder]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--max-model-len", "64", "--enforce-eager"]
    command += ["--logprobs-mode", "processed_logprobs"]
    log = folder.parent / f"server-{port}.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            command, env=environment(VLLM_SERVER_DEV_MODE="1"), stdout=written, stderr=written
        )
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def test_a_fleet_over_http(folder: Path) -> None:
    """Started with other weights than the policy's: those of the first iteration must arrive."""
    other = WeightsFolder(folder / "served", tokenizer()).write(build_policy(SHAPE, tokenizer(), 5))
    with server(other) as one, server(other) as two:
        check(run(folder, "fleet", one, two))
