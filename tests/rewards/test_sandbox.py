"""Code that tries to get out of the sandbox, for real; and code that only wants to run."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket

import pytest

from preftune.rewards.sandbox import INSIDE, Limits, run_code

LIMITS = Limits(seconds=30)


@pytest.fixture(scope="module", autouse=True)
def confined() -> None:
    """Nothing worse is tried on a machine where the filter does not hold."""
    ran = run_code("import os\nif os.fork() == 0: os._exit(0)", ["pass"], LIMITS)
    assert (ran.ended, ran.error) == ("done", "PermissionError")


def test_tests_run_after_the_code_and_each_counts() -> None:
    ran = run_code(
        "def double(x):\n    return 2 * x",
        ["assert double(2) == 4", "assert double(2) == 5", "assert double('a') == 'aa'", "1/0"],
        LIMITS,
    )
    assert (ran.ended, ran.error, ran.passed) == ("done", "", (True, False, True, False))


def test_what_code_usually_needs_works() -> None:
    code = """
import collections, dataclasses, datetime, decimal, functools, hashlib, heapq, itertools, json
import math, random, re, statistics, string, threading, time, typing, unicodedata
found = []
worker = threading.Thread(target=lambda: found.append(math.sqrt(2)))
worker.start(); worker.join()
time.sleep(0.01)
print("heard by nobody")
"""
    tests = ["assert found == [2 ** .5]", "assert random.random() != random.random()"]
    assert run_code(code, tests, LIMITS).passed == (True, True)


@pytest.mark.parametrize(
    "attempt",
    [
        "import os; os.fork()",
        "import os\nwhile True: os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true') == 0 or 1/0",
        "import os; os.execv('/bin/true', ['true'])",
        "import multiprocessing as m; p = m.Process(target=print); p.start()",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass",
        "import os; os.setsid()",
        "import socket; socket.socket()",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socketpair()",
        "import urllib.request as u; u.urlopen('http://127.0.0.1:PORT/')",
        "import os; os.kill(os.getppid(), 0)",
        "import os; os.kill(-1, 0)",
        "import os; os.killpg(os.getppid(), 0)",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "import os; os.memfd_create('x')",
        "import ctypes; ctypes.CDLL(None).ptrace(16, 1, 0, 0) and 1/0",
        "import ctypes, os; ctypes.CDLL(None).prctl(22, 0, 0) and 1/0",
    ],
)
def test_no_process_no_network_no_signals(attempt: str) -> None:
    """An escape would get past the attempt and reach the end without an error."""
    with socket(AF_INET, SOCK_STREAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.listen()
        heard.settimeout(0.05)
        code = attempt.replace("PORT", str(heard.getsockname()[1]))
        ran = run_code(code, ["pass"], LIMITS)
        with pytest.raises(TimeoutError):
            heard.accept()
    assert ran.ended == "done" and ran.error and ran.passed == (False,)


@pytest.mark.parametrize(
    "attempt",
    [
        "open(PATH, 'w')",
        "open(PATH, 'a')",
        "open(PATH, 'r+')",
        "import os; os.open(PATH, os.O_RDONLY | os.O_TRUNC)",
        "import os; os.open(PATH, os.O_RDONLY | os.O_CREAT)",
        "import os; os.truncate(PATH, 0)",
        "import os; os.remove(PATH)",
        "import os; os.rename(PATH, PATH + '2')",
        "import os; os.link(PATH, PATH + '2')",
        "import os; os.symlink(PATH, PATH + '2')",
        "import os; os.mkdir(PATH + '2')",
        "import os; os.chmod(PATH, 0)",
        "import os; os.utime(PATH, (0, 0))",
        "import os; os.mkfifo(PATH + '2')",
        "import tempfile; tempfile.TemporaryFile()",
        "open('/proc/self/mem', 'wb')",
        "open(f'/proc/{__import__(\"os\").getppid()}/mem', 'r+b')",
    ],
)
def test_no_file_is_written_anywhere(tmp_path: Path, attempt: str) -> None:
    path = tmp_path / "kept"
    path.write_text("kept")
    before = path.stat()
    ran = run_code(attempt.replace("PATH", repr(str(path))), ["pass"], LIMITS)
    assert ran.ended == "done" and ran.error and ran.passed == (False,)
    after = path.stat()
    assert path.read_text() == "kept" and list(tmp_path.iterdir()) == [path]
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("code", "limits", "ended"),
    [
        ("while True: pass", Limits(seconds=1.5), "timeout"),
        ("import time; time.sleep(60)", Limits(seconds=1.5), "timeout"),
        ("while True: pass", Limits(seconds=60, cpu_seconds=1), "died"),
        ("import os; os._exit(0)", LIMITS, "died"),
        ("import os, signal; signal.raise_signal(signal.SIGKILL)", LIMITS, "died"),
        ("import ctypes; ctypes.string_at(0)", LIMITS, "died"),
        ("import sys; sys.exit(0)", LIMITS, "done"),
        ("raise KeyboardInterrupt", LIMITS, "done"),
        ("x = bytearray(1 << 30)", LIMITS, "done"),
        ("x = []\nwhile True: x.append(bytearray(1 << 20))", LIMITS, "done"),
        ("def f(): f()\nf()", LIMITS, "done"),
        ("files = [open('/dev/null') for _ in range(40)]", LIMITS, "done"),
        ("this is no Python", LIMITS, "done"),
        ("x = '\\0'\n\0", LIMITS, "done"),
    ],
)
def test_what_takes_too_much_or_ends_early_passes_nothing(
    code: str, limits: Limits, ended: str
) -> None:
    ran = run_code(code, ["pass", "pass"], limits)
    assert (ran.ended, ran.passed) == (ended, (False, False))


def test_a_forged_outcome_is_not_believed() -> None:
    """The code writes to whatever it has open, as if it were the harness."""
    code = """
import json, os
for place in range(3, 32):
    try:
        os.write(place, json.dumps({"token": "guess", "passed": [True], "error": ""}).encode())
    except OSError:
        pass
os._exit(0)
"""
    ran = run_code(code, ["assert False"], LIMITS)
    assert (ran.ended, ran.passed) == ("died", (False,))


def test_a_flood_of_output_is_cut_off() -> None:
    code = "import os\nwhile True:\n    for place in range(3, 9):\n        try: os.write(place, b'x' * 65536)\n        except OSError: pass"  # noqa: E501
    assert run_code(code, ["pass"], LIMITS).ended == "died"


def test_nothing_is_left_running() -> None:
    """Neither after a timeout nor where many run at one time."""
    threads = [
        threading.Thread(
            target=run_code, args=("while True: pass", ["1"], Limits(seconds=1.0)), daemon=True
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    left = [words for _, parent, words in processes() if parent == os.getpid()]
    assert not [words for words in left if INSIDE.name in words]


def processes() -> Iterator[tuple[int, int, str]]:
    """Every process: its number, its parent's, its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (folder / "status").read_text()
            parent = int(told.split("PPid:")[1].split()[0])
            yield int(folder.name), parent, (folder / "cmdline").read_text()


def test_it_is_not_run_where_it_cannot_be_confined() -> None:
    """The same program on a machine it does not know says so and runs nothing."""
    program = (
        "import platform, runpy, sys; platform.machine = lambda: 'vax'; "
        f"runpy.run_path({str(INSIDE)!r}, run_name='__main__')"
    )
    job = '{"token": "t", "code": "1/0", "tests": [], "cpu": 1, "memory": 1, "files": 1}'
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        input=job,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert '"trouble": "linux on vax"' in done.stdout


def test_a_long_program_is_handed_over_whole() -> None:
    """A megabyte is more than a pipe holds at one time."""
    ran = run_code(f"x = {'a' * 1_000_000!r}", ["assert len(x) == 10 ** 6"], LIMITS)
    assert ran.passed == (True,)
