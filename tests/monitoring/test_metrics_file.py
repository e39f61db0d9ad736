"""metrics.jsonl through stops, torn lines and full disks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preftune.monitoring import MetricsFile, read_metrics
from preftune.records import BadInput, RunFailed


def steps(path: Path) -> list[int]:
    return [row["step"] for row in read_metrics(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the steps 1 to 4."""
    path = tmp_path / "stage" / "metrics.jsonl"
    with MetricsFile(path) as file:
        for step in (1, 2, 3, 4):
            file.append(step, {"loss": step / 8})
    return path


def test_a_row_is_one_line_of_plain_json(tmp_path: Path) -> None:
    with MetricsFile(tmp_path / "m.jsonl") as file:
        values: dict[str, Any] = {"loss": np.float32(0.5), "objective/kl": np.int64(3)}
        file.append(1, {"num_tokens": 12, **values})
        file.append(7, {})
    assert (tmp_path / "m.jsonl").read_text() == (
        '{"step": 1, "num_tokens": 12, "loss": 0.5, "objective/kl": 3.0}\n{"step": 7}\n'
    )


def test_what_is_not_finite_is_null_and_named(tmp_path: Path) -> None:
    with MetricsFile(tmp_path / "m.jsonl") as file:
        file.append(1, {"loss": float("nan"), "lr": 0.1, "grad_norm": float("-inf")})
    (line,) = (tmp_path / "m.jsonl").read_text().splitlines()

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(line, parse_constant=refuse) == {
        "step": 1,
        "loss": None,
        "lr": 0.1,
        "grad_norm": None,
        "nonfinite": ["loss", "grad_norm"],
    }


def test_a_row_is_in_the_file_at_once(path: Path) -> None:
    file = MetricsFile(path)
    file.append(5, {"loss": 1.0})
    assert steps(path) == [1, 2, 3, 4, 5]
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.append(6, {"loss": 1.0})


def test_a_typo_writes_nothing(path: Path) -> None:
    before = path.read_bytes()
    with MetricsFile(path) as file, pytest.raises(ValueError, match="'losss' is no metric"):
        file.append(5, {"loss": 1.0, "losss": 1.0})
    assert path.read_bytes() == before


@pytest.mark.parametrize("step", [4, 3, 0, -1])
def test_no_step_is_written_twice_or_out_of_order(path: Path, step: int) -> None:
    with MetricsFile(path) as file:
        assert file.last_step == 4
        with pytest.raises(ValueError, match=f"step {step} comes after step 4"):
            file.append(step, {"loss": 1.0})
        file.append(6, {"loss": 1.0})
        with pytest.raises(ValueError, match="step 6 comes after step 6"):
            file.append(6, {"loss": 1.0})
    assert steps(path) == [1, 2, 3, 4, 6]


@pytest.mark.parametrize(
    ("after", "kept"), [(9, [1, 2, 3, 4]), (4, [1, 2, 3, 4]), (2, [1, 2]), (1, [1]), (0, [])]
)
@pytest.mark.parametrize("tail", [b"", b'{"step": 5, "lo', b"\x00\x00\x00\n", b'{"step": 5}'])
def test_truncate_drops_later_rows_and_a_torn_line(
    path: Path, after: int, kept: list[int], tail: bytes
) -> None:
    path.write_bytes(path.read_bytes() + tail)
    assert steps(path) == [1, 2, 3, 4]
    with MetricsFile(path) as file:
        file.truncate_after(after)
        assert file.last_step == (kept[-1] if kept else None)
        file.append(after + 1, {"loss": 2.0})
    assert steps(path) == [*kept, after + 1]
    assert path.read_bytes().count(b"\n") == len(kept) + 1


def test_opening_alone_cuts_a_torn_line(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"step": 5, "loss": 0.12')
    MetricsFile(path).close()
    assert path.read_bytes() == whole


@given(cut=st.integers(0, 60))
def test_any_cut_leaves_whole_rows(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("cut") / "m.jsonl"
    text = "".join(f'{{"step": {step}, "loss": 0.5}}\n' for step in (1, 2, 3)).encode()
    path.write_bytes(text[:cut])
    with MetricsFile(path) as file:
        file.append(9, {"loss": 0.5})
    assert steps(path) == [*range(1, text[:cut].count(b"\n") + 1), 9]


def test_a_broken_line_in_the_middle_is_named(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    for broken in ("not json\n", "[]\n", '{"loss": 1}\n'):
        path.write_text(lines[0] + broken + lines[1])
        with pytest.raises(BadInput, match="no row of metrics") as caught:
            read_metrics(path)
        assert (caught.value.file, caught.value.line) == (str(path), 2)


def test_rows_of_two_runs_in_one_file_are_refused(path: Path) -> None:
    path.write_text(path.read_text() * 2)
    with pytest.raises(BadInput, match="Step 1 stands after step 4"):
        MetricsFile(path)


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_metrics(tmp_path / "absent.jsonl")


def test_before_append_runs_before_the_row_is_there(path: Path) -> None:
    seen: list[list[int]] = []
    with MetricsFile(path, before_append=lambda: seen.append(steps(path))) as file:
        file.append(5, {"loss": 1.0})
    assert seen == [[1, 2, 3, 4]]


KILLED = """
import sys
from functools import partial
from preftune.artifacts import failpoint
from preftune.monitoring import MetricsFile
file = MetricsFile(sys.argv[1], before_append=partial(failpoint, "metrics.before_append"))
file.truncate_after(2)
for step in range(3, 9):
    file.append(step, {"loss": 1.0})
"""


def test_rows_before_a_kill_are_kept_and_resuming_repeats_none(path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(path)]
    killed = {**os.environ, "PREFTUNE_FAILPOINT": "metrics.before_append:4"}
    assert subprocess.run(command, env=killed, timeout=120).returncode == -9
    assert steps(path) == [1, 2, 3, 4, 5]
    assert subprocess.run(command, timeout=120).returncode == 0
    assert steps(path) == [1, 2, 3, 4, 5, 6, 7, 8]


LIMITED = """
import resource, sys
from preftune.monitoring import MetricsFile
from preftune.records import RunFailed
file = MetricsFile(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (160, 160))
try:
    for step in range(1, 99):
        file.append(step, {"loss": 0.5})
except RunFailed as error:
    print(step, error.sentence)
"""


def test_a_full_disk_leaves_whole_rows(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    row = len('{"step": 1, "loss": 0.5}\n')
    fits = 160 // row
    assert done.stdout.startswith(f"{fits + 1} The disk is full")
    assert path.stat().st_size == fits * row
    assert steps(path) == list(range(1, fits + 1))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="Writing metrics failed"):
        MetricsFile(tmp_path / "file" / "m.jsonl")
