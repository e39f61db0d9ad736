"""Atomic writes, on a real file system with real limits."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from preftune.artifacts import (
    disk_failure,
    publish_folder,
    sweep_partials,
    write_bytes_atomic,
    write_json_atomic,
    write_text_atomic,
)
from preftune.records import RunFailed


def test_writes_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text_atomic(path, "één\r\n")
    assert path.read_bytes() == "één\r\n".encode()
    write_bytes_atomic(path, b"")
    assert path.read_bytes() == b""
    assert os.listdir(path.parent) == ["a.txt"]


def test_the_mode_is_that_of_an_ordinary_file(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "atomic", "x")
    (tmp_path / "ordinary").write_text("x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_json_is_readable_sorted_and_finite(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json_atomic(path, {"b": (1, 2.5), "a": "é"})
    assert path.read_text() == '{\n  "a": "é",\n  "b": [\n    1,\n    2.5\n  ]\n}\n'
    with pytest.raises(RunFailed, match=r"a\.json\['b'\] is nan"):
        write_json_atomic(path, {"b": float("nan")})
    assert json.loads(path.read_text())["a"] == "é"


LIMITED = """
import resource, sys
from preftune.artifacts import write_bytes_atomic
from preftune.records import RunFailed
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_bytes_atomic(sys.argv[1], b"x" * 1_000_000)
except RunFailed as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file_and_no_partial_one(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.startswith("The disk is full")
    assert str(path) in done.stdout and "Free some space" in done.stdout
    assert os.listdir(tmp_path) == ["model.bin"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_kind_of_full_is_called_full(number: int) -> None:
    error = disk_failure("/a", OSError(number, os.strerror(number)))
    assert error.sentence.startswith("The disk is full") and error.remedy and error.exit_code == 1


def test_other_errors_say_what_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="Writing failed: (Not a directory|File exists)"):
        write_text_atomic(tmp_path / "file" / "below", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunFailed, match="Is a directory"):
        write_text_atomic(tmp_path / "folder", "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_an_interrupt_removes_the_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text_atomic(tmp_path / "a", "x")
    assert os.listdir(tmp_path) == []


def test_the_content_is_synced_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def logged_fsync(descriptor: int) -> None:
        target = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        events.append("sync folder" if target == tmp_path else "sync file")
        fsync(descriptor)

    def logged_replace(a: Path, b: Path) -> None:
        events.append("rename")
        replace(a, b)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "replace", logged_replace)
    write_text_atomic(tmp_path / "a", "x")
    assert events == ["sync file", "rename", "sync folder"]


def test_publish_moves_a_folder_whole(tmp_path: Path) -> None:
    partial = tmp_path / "work"
    (partial / "model").mkdir(parents=True)
    (partial / "model" / "w").write_text("1")
    publish_folder(partial, tmp_path / "stages" / "01-sft")
    assert not partial.exists()
    assert (tmp_path / "stages" / "01-sft" / "model" / "w").read_text() == "1"


def test_publish_syncs_every_file_and_folder_before_the_rename_and_the_parent_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def logged_fsync(descriptor: int) -> None:
        target = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        events.append(target.relative_to(tmp_path).as_posix())
        fsync(descriptor)

    def logged_rename(a: Path, b: Path) -> None:
        events.append("rename")
        rename(a, b)

    (tmp_path / "work" / "model").mkdir(parents=True)
    for name in ("manifest.json", "model/w"):
        (tmp_path / "work" / name).write_text("1")
    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "rename", logged_rename)
    publish_folder(tmp_path / "work", tmp_path / "final")
    assert events == ["work/model/w", "work/model", "work/manifest.json", "work", "rename", "."]


@pytest.mark.parametrize("kind", ["empty folder", "file", "broken link"])
def test_publish_replaces_nothing(tmp_path: Path, kind: str) -> None:
    partial, final = tmp_path / "work", tmp_path / "final"
    partial.mkdir()
    if kind == "empty folder":
        final.mkdir()
    elif kind == "file":
        final.write_text("")
    else:
        final.symlink_to(tmp_path / "nowhere")
    with pytest.raises(RunFailed, match="already exists"):
        publish_folder(partial, final)
    assert partial.is_dir()


def test_publish_of_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="No such file"):
        publish_folder(tmp_path / "absent", tmp_path / "final")
    assert not (tmp_path / "final").exists()


KILLED = """
import os, signal, sys
from preftune.artifacts import write_text_atomic
os.replace = lambda a, b: os.kill(os.getpid(), signal.SIGKILL)
write_text_atomic(sys.argv[1], "new")
"""


def test_a_killed_write_leaves_a_partial_file_that_the_sweep_removes(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text_atomic(path, "old")
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False, timeout=120)
    assert done.returncode == -9
    assert path.read_text() == "old"
    left = sweep_partials(tmp_path)
    assert len(left) == 1 and left[0].parent == path.parent
    assert os.listdir(path.parent) == ["a.txt"]
