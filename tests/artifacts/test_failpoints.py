"""Failpoints kill where they say, and only there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import preftune
from preftune.artifacts import FAILPOINTS, failpoint
from preftune.records import BadInput

PROGRAM = """
from preftune.artifacts import failpoint
for step in range(4):
    failpoint("checkpoint.before_write")
    failpoint("step.after_update")
    print(step, flush=True)
"""


def run(value: str | None) -> tuple[int, str]:
    environment = {k: v for k, v in os.environ.items() if k != "PREFTUNE_FAILPOINT"}
    if value is not None:
        environment["PREFTUNE_FAILPOINT"] = value
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (0, "0\n1\n2\n3\n")),
        ("", (0, "0\n1\n2\n3\n")),
        ("step.after_update", (-9, "")),
        ("step.after_update:1", (-9, "")),
        ("step.after_update:3", (-9, "0\n1\n")),
        ("step.after_update:9", (0, "0\n1\n2\n3\n")),
        ("run.before_summary", (0, "0\n1\n2\n3\n")),
    ],
)
def test_the_process_dies_at_the_named_hit(value: str | None, expected: tuple[int, str]) -> None:
    assert run(value) == expected


@pytest.mark.parametrize("value", ["step.after", "step.after_update:0", "step.after_update:x"])
def test_a_wrong_variable_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFTUNE_FAILPOINT", value)
    with pytest.raises(BadInput, match="names no failpoint"):
        failpoint("checkpoint.before_write")


def test_a_wrong_name_in_the_code_is_refused_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFTUNE_FAILPOINT", raising=False)
    with pytest.raises(ValueError, match="not in FAILPOINTS"):
        failpoint("step.after_updat")


def test_every_failpoint_in_the_source_is_listed() -> None:
    package = Path(preftune.__file__).parent
    literal = re.compile(r"failpoint(?:\(|,\s*)\s*[\"']([^\"']+)[\"']")
    used = {
        (path.name, name)
        for path in package.rglob("*.py")
        for name in literal.findall(path.read_text())
    }
    assert {(file, name) for file, name in used if name not in FAILPOINTS} == set()


def test_the_list_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        FAILPOINTS["new"] = "x"  # type: ignore[index]
