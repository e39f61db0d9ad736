"""What goes wrong while a run is going: full disk, NaN loss, a second process, Ctrl-C."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from preftune.training import checkpoint as training_checkpoint
from tests.cli.command import SOURCE, preftune

pytestmark = pytest.mark.usefixtures("no_report")

RECIPE = """
machine = { threads = 1 }
[stages.world]
kind = "world"
documents = 60
demonstrations = 24
train_prompts = 8
validation_prompts = 4
test_prompts = 4
[stages.base]
kind = "pretrain"
architecture = { hidden_size = 16, layers = 1, heads = 2, intermediate_size = 32, context = 96 }
vocab_size = 300
data = ["stage:world/documents"]
steps = 8
batch_tokens = 256
log_every = 1
checkpoint_every = 2
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in run.glob("stages/*.partial/checkpoints/*"))


def steps(run: Path) -> list[int]:
    (path,) = run.glob("stages/*-base/metrics.jsonl")
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    wild = ("--set", "stages.base.optimizer.learning_rate=1e38",
            "--set", "stages.base.optimizer.warmup_steps=4")  # fmt: skip
    done = preftune("run", recipe, "--out", out, *wild, "--set", "stages.base.checkpoint_every=1",
                    "--json")  # fmt: skip
    assert done.code == 1
    assert done.json["status"] == "failed" and done.json["run"] == str(out)
    assert "not a finite number" in done.error["sentence"]
    assert "learning rate" in done.error["remedy"]
    kept = checkpoints(out)
    assert kept and all("partial" not in name for name in kept)
    assert not (out / "stages/02-base").exists()
    assert json.loads((out / "summary.json").read_text())["status"] == "failed"
    mended = preftune("run", recipe, "--out", out, "--json")
    assert mended.code == 0 and steps(out) == list(range(1, 9))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes: what a full disk looks like to who writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [4_000, 30_000])
def test_a_full_disk_keeps_what_is_whole_and_the_same_command_continues(
    recipe: Path, tmp_path: Path, size: int
) -> None:
    """The smaller limit is met by the first stage's texts, the larger one by a checkpoint."""
    out = tmp_path / "run"
    words = ("run", recipe, "--out", out, "--json")
    with largest_file(size):
        full = preftune(*words)
    assert full.code == 1, full
    assert full.json["status"] == "failed"
    assert "large" in full.error["sentence"] or "full" in full.error["sentence"]
    assert "space" in full.error["remedy"]
    assert (out / "stages/01-world/manifest.json").is_file() == (size == 30_000)
    assert not (out / "stages/02-base").exists()
    assert [path for path in out.rglob("*.partial") if path.is_file()] == []
    assert all("partial" not in name for name in checkpoints(out))
    done = preftune(*words)
    assert done.code == 0 and done.json["status"] == "done"
    assert ("world: already done" in done.err) == (size == 30_000)
    assert steps(out) == list(range(1, 9))


def test_a_disk_that_fills_up_late_keeps_the_last_good_checkpoint(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    words = ("run", recipe, "--out", out, "--json")

    def fill(path: Path) -> None:
        if path.name == "step-00000006":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    real = training_checkpoint.publish_folder
    monkeypatch.setattr(
        training_checkpoint,
        "publish_folder",
        lambda partial, final: (fill(final), real(partial, final)),
    )
    full = preftune(*words)
    assert full.code == 1 and "disk is full" in full.error["sentence"]
    assert "step-00000004" in checkpoints(out)
    monkeypatch.undo()
    done = preftune(*words)
    assert done.code == 0 and "continuing after step 4" in done.err
    assert steps(out) == list(range(1, 9))


HOLD = """
import sys
from preftune.artifacts import RunLock
with RunLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_on_a_run_folder_refuses(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        done = preftune("run", recipe, "--out", out, "--json")
        left = sorted(path.name for path in out.iterdir())
    assert done.code == 1
    assert f"pid {holder.pid}" in done.error["sentence"] and done.error["remedy"]
    assert left == [".lock"]
    assert preftune("run", recipe, "--out", out).code == 0


def test_ctrl_c_is_one_line_and_the_same_command_continues(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    over = threading.Event()

    def press() -> None:
        while not (checkpoints(out) or over.wait(0.01)):
            pass
        while not over.is_set():  # once, unless an exit handler has swallowed it
            os.kill(os.getpid(), signal.SIGINT)
            over.wait(60)

    # Whoever starts the tests in the background has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        presser = threading.Thread(target=press, daemon=True)
        presser.start()
        done = preftune("run", recipe, "--out", out, "--set", "stages.base.steps=1000000")
    finally:
        over.set()
        presser.join(60)
        signal.signal(signal.SIGINT, before)
    assert done.code == 130
    assert done.out == "" and "Traceback" not in done.err
    last = done.err.strip().splitlines()[-1]
    assert last == "preftune: Stopped. The same command continues where it stopped."
    assert json.loads((out / "summary.json").read_text())["status"] == "stopped"
    assert preftune("run", recipe, "--out", out).code == 0


def test_out_may_not_be_a_file(recipe: Path, tmp_path: Path) -> None:
    done = preftune("run", recipe, "--out", recipe, "--json")
    assert done.code == 1 and done.error["file"]
    assert recipe.read_text() == RECIPE
