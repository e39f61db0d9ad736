"""Running code that a model wrote, without trusting it.

The code runs in a process of its own that cannot start another, open a socket, write a file or
signal anyone (see :mod:`preftune.rewards.sandboxed`), with limits on memory, processor time and
open files; it is killed when its time by the clock is over. It can read files that whoever runs
preftune can read, and has nowhere to send them.
"""

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from preftune.records import RunFailed

INSIDE = Path(__file__).with_name("sandboxed.py")
MOST_OUTPUT = 1 << 20
"""Bytes that a program may write about its outcome."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use: seconds by the clock and of processor, bytes, open files."""

    seconds: float = 5.0
    cpu_seconds: int = 4
    memory: int = 512 << 20
    open_files: int = 32


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a program.

    ``passed`` has one truth value a test. ``ended`` is ``done``, ``timeout`` or ``died`` (killed
    for its use of processor or memory, or gone without a word); ``error`` names what the code
    itself raised.
    """

    ended: str
    passed: tuple[bool, ...]
    error: str = ""


def run_code(code: str, tests: Sequence[str], limits: Limits = Limits()) -> Ran:  # noqa: B008
    """Runs Python code and then its tests; the standard library is there, packages are not.

    A program that looks into its own process can still forge its outcome: a reward from tests in
    the same process is a measure, not a proof. Raises :class:`RunFailed` where this machine
    cannot confine a program; it is not run then.
    """
    token = secrets.token_hex(16)
    job = {"token": token, "code": code, "tests": list(tests), "cpu": limits.cpu_seconds}
    job |= {"memory": limits.memory, "files": limits.open_files}
    failed = (False,) * len(tests)
    content, timed_out = _exchange(json.dumps(job).encode(), limits.seconds)
    if timed_out:
        return Ran("timeout", failed)
    try:
        found = json.loads(content)
        genuine = secrets.compare_digest(str(found["token"]), token)
    except (ValueError, KeyError, TypeError):
        return Ran("died", failed)
    if not genuine:
        return Ran("died", failed)
    if found.get("trouble"):
        raise RunFailed(
            f"Code cannot be confined on this machine ({found['trouble']}), so it was not run.",
            remedy="Code rules need Linux with seccomp, on x86-64 or arm64.",
        )
    return Ran("done", tuple(bool(passed) for passed in found["passed"]), str(found["error"]))


def _exchange(job: bytes, seconds: float) -> tuple[bytes, bool]:
    """Hands the job over; what was written about it, and whether time ran out."""
    end = time.monotonic() + seconds
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(INSIDE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        with process.stdin as pipe, suppress(BrokenPipeError):
            if not _write(pipe.fileno(), job, end):
                return b"", True
        return _read(process.stdout.fileno(), end)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _write(pipe: int, job: bytes, end: float) -> bool:
    """Whether all of it was taken in time."""
    os.set_blocking(pipe, False)
    while job:
        left = end - time.monotonic()
        if left <= 0 or not select.select([], [pipe], [], left)[1]:
            return False
        job = job[os.write(pipe, job) :]
    return True


def _read(pipe: int, end: float) -> tuple[bytes, bool]:
    content = bytearray()
    while len(content) <= MOST_OUTPUT:
        left = end - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return bytes(content), True
        piece = os.read(pipe, 65536)
        if not piece:
            break
        content += piece
    return bytes(content), False
