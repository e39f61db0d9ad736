"""The lock, between real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from preftune.artifacts import RunLock
from preftune.records import RunFailed

HOLD = """
import os, sys, time
from preftune.artifacts import RunLock
with RunLock(sys.argv[1]):
    if "fork" in sys.argv:
        told, tell = os.pipe()
        if os.fork() == 0:
            os.close(1)
            os.write(tell, b"!")
            time.sleep(60)
        os.read(told, 1)
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(RunFailed) as caught:
            RunLock(tmp_path).__enter__()
        assert f"pid {process.pid} on host {os.uname().nodename}" in caught.value.sentence
        assert str(tmp_path) in caught.value.sentence
        assert caught.value.remedy
        assert caught.value.exit_code == 1


def test_kill_9_releases_it(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.kill()
        process.wait(60)
        with RunLock(tmp_path):
            pass


def test_a_forked_worker_does_not_keep_it(tmp_path: Path) -> None:
    with holder(tmp_path, "fork") as process:
        process.kill()
        process.wait(60)
        os.killpg(process.pid, 0)  # the worker still lives
        with RunLock(tmp_path):
            pass


def test_it_is_free_after_the_block_also_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), RunLock(tmp_path / "new"):
            raise KeyError
    with RunLock(tmp_path / "new"), pytest.raises(RunFailed, match=f"pid {os.getpid()} "):
        RunLock(tmp_path / "new").__enter__()


def test_a_lock_without_a_readable_holder_still_refuses(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        (tmp_path / ".lock").write_text("half")
        with pytest.raises(RunFailed, match="Another preftune process is already working"):
            RunLock(tmp_path).__enter__()


def test_an_object_is_entered_once_at_a_time(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    with lock, pytest.raises(ValueError, match="already held"):
        lock.__enter__()
    with lock:
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="Writing failed"):
        RunLock(tmp_path / "file" / "run").__enter__()
