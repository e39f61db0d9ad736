"""The inside of the sandbox: a program of its own, started by :mod:`preftune.rewards.sandbox`.

It uses the standard library only. It reads one job from its input, gives up every right it does
not need, runs the code and its tests, and writes one line about them. What it gives up cannot be
taken back: a seccomp filter lists the system calls that stay, so there is no new process, no
program started, no socket, no signal to others and no file opened for writing.
"""

import ctypes
import json
import os
import platform
import resource
import signal
import sys

X86_64, AARCH64 = 0xC000003E, 0xC00000B7
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, EACCES, ENOTTY, ENOSYS = 1, 13, 25, 38
WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC and O_TMPFILE."""
CLONE_THREAD = 0x10000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

PLAIN = {
    X86_64: (
        *(0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 23, 24, 25, 26),
        *(27, 28, 32, 33, 34, 35, 39, 60, 63, 79, 89, 96, 97, 98, 99, 100, 102, 104, 107, 108),
        *(110, 111, 121, 124, 131, 137, 138, 158, 186, 202, 204, 217, 218, 219, 221, 228, 229),
        *(230, 231, 262, 267, 269, 270, 271, 273, 274, 292, 295, 309, 318, 324, 332, 334, 439),
    ),
    AARCH64: (
        *(17, 23, 24, 43, 44, 48, 57, 61, 62, 63, 64, 65, 66, 67, 68, 69, 72, 73, 78, 79, 80, 93),
        *(94, 96, 98, 99, 100, 101, 113, 114, 115, 123, 124, 128, 132, 134, 135, 139, 153, 155),
        *(156, 160, 163, 165, 168, 169, 172, 173, 174, 175, 176, 177, 178, 179, 214, 215, 216),
        *(222, 223, 226, 227, 232, 233, 278, 283, 291, 293, 439),
    ),
}
"""Calls allowed whatever their arguments: reading, memory, time, threads' locks, one's own end."""
NAMED = {
    X86_64: {"open": 2, "openat": 257, "clone": 56, "clone3": 435, "tgkill": 234, "ioctl": 16}
    | {"fcntl": 72},
    AARCH64: {"openat": 56, "clone": 220, "clone3": 435, "tgkill": 131, "ioctl": 29, "fcntl": 25},
}
HARMLESS_IOCTLS = (0x5401, 0x5421, 0x5450, 0x5451)
"""TCGETS, FIONBIO, FIONCLEX, FIOCLEX."""
HARMLESS_FCNTLS = (0, 1, 2, 3, 4, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; none sends a signal."""

Step = tuple[int, int, int, int]


def argument(place: int) -> Step:
    """Loads the lower half of a system call's argument."""
    return (LOAD, 0, 0, 16 + 8 * place)


def given_back(number: int) -> Step:
    return (RETURN, 0, 0, ERRNO | number)


def one_of(number: int, place: int, values: tuple[int, ...], otherwise: int) -> list[Step]:
    """Allows a call whose argument is one of some values."""
    inside = [argument(place)]
    for value in values:
        inside += [(EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]
    return only_for(number, [*inside, given_back(otherwise)])


def only_for(number: int, steps: list[Step]) -> list[Step]:
    return [(EQUAL, 0, len(steps), number), *steps]


def bits(number: int, place: int, mask: int, set_: int, unset: int) -> list[Step]:
    """One outcome where any bit of the mask is set in an argument, another where none is."""
    return only_for(
        number,
        [argument(place), (ANY_BIT, 0, 1, mask), (RETURN, 0, 0, set_), (RETURN, 0, 0, unset)],
    )


def program(machine: int, own_pid: int) -> list[Step]:
    """The filter: every system call goes through it from top to bottom."""
    named = NAMED[machine]
    steps: list[Step] = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, machine), (RETURN, 0, 0, KILL)]
    steps += [(LOAD, 0, 0, 0), (AT_LEAST, 0, 1, 0x40000000), given_back(EPERM)]
    for number in PLAIN[machine]:
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    if "open" in named:
        steps += bits(named["open"], 1, WRITING, ERRNO | EACCES, ALLOW)
    steps += bits(named["openat"], 2, WRITING, ERRNO | EACCES, ALLOW)
    steps += bits(named["clone"], 0, CLONE_THREAD, ALLOW, ERRNO | EPERM)
    steps += only_for(named["clone3"], [given_back(ENOSYS)])  # libc then uses clone
    steps += one_of(named["tgkill"], 0, (own_pid,), EPERM)
    steps += one_of(named["ioctl"], 1, HARMLESS_IOCTLS, ENOTTY)
    steps += one_of(named["fcntl"], 1, HARMLESS_FCNTLS, EPERM)
    return [*steps, given_back(EPERM)]


class Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    ]


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("steps", ctypes.POINTER(Instruction))]


def confine(limits: dict[str, int]) -> str:
    """Gives up all that is not needed, for good; what stood in the way, or an empty string."""
    machine = {"x86_64": X86_64, "aarch64": AARCH64}.get(platform.machine())
    if sys.platform != "linux" or machine is None or sys.maxsize < 2**32:
        return f"{sys.platform} on {platform.machine()}"
    memory = limits["memory"]
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    steps = [Instruction(*step) for step in program(machine, os.getpid())]
    wanted = Filter(len(steps), (Instruction * len(steps))(*steps))
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: ends with whoever started it
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        return f"no_new_privs: error {ctypes.get_errno()}"
    if libc.prctl(22, 2, ctypes.byref(wanted), 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        return f"seccomp: error {ctypes.get_errno()}"
    return ""


def outcome(code: str, tests: list[str]) -> dict[str, object]:
    """Runs the code, then each test after it; which passed, and what the code itself raised."""
    space: dict[str, object] = {"__name__": "__main__"}
    try:
        exec(compile(code, "<response>", "exec"), space)
    except BaseException as error:
        return {"error": type(error).__name__, "passed": [False] * len(tests)}
    passed = []
    for test in tests:
        try:
            exec(compile(test, "<test>", "exec"), space)
            passed.append(True)
        except BaseException:
            passed.append(False)
    return {"error": "", "passed": passed}


def main() -> None:
    job = json.loads(sys.stdin.buffer.read())
    results = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):
        os.dup2(nothing, place)
    token, code, tests = job.pop("token"), job.pop("code"), job.pop("tests")
    trouble = confine(job)
    found = {"trouble": trouble} if trouble else outcome(code, tests)
    os.write(results, json.dumps({"token": token, **found}).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
