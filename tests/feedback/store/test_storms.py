"""Many processes on one store; processes killed at named places; what reaches the disk."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from preftune.artifacts import FAILPOINTS
from preftune.feedback.store import events, leases
from preftune.feedback.store.engine import Store, open_store
from preftune.feedback.store.nouns import Assignment
from preftune.feedback.store.schema import JUDGMENT, SLOT
from tests.feedback import made, postgres
from tests.feedback.store.writers import WAIT, read_outbox, storm

POINTS = sorted(name for name in FAILPOINTS if name.startswith("judgment."))


def prepared(url: str, items: int, people: int, overlap: int) -> tuple[int, list[int]]:
    store = open_store(url, create=True)
    project = made.project(store, count=items, overlap=overlap, gold_fraction=0.0)
    names = [made.person(store, f"p{number}").id for number in range(people)]
    store.close()
    return project.id, names


def counts_are_exact(url: str, acked: list[str], items: int, overlap: int) -> None:
    store = open_store(url)
    with store.reading() as connection:
        rows = connection.execute(
            select(JUDGMENT.c.item_id, JUDGMENT.c.status, JUDGMENT.c.judgment_id)
        ).all()
        done = connection.execute(select(func.count()).where(SLOT.c.done)).scalar_one()
    assert sorted(row.judgment_id for row in rows) == sorted(acked)
    assert {row.status for row in rows} == {"counted"}
    assert set(Counter(row.item_id for row in rows).values()) == {overlap}
    assert len(rows) == done == items * overlap
    assert events.verify(store).ok
    store.close()


def test_a_storm_loses_nothing_and_collects_nothing_twice(tmp_path: Path) -> None:
    url = str(tmp_path / "labels.db")
    project, people = prepared(url, items=20, people=4, overlap=3)
    acked, errors = storm(url, project, people)
    assert errors == []
    counts_are_exact(url, [one["id"] for one in acked], items=20, overlap=3)


@pytest.mark.proof
def test_32_processes_500_items_overlap_3(tmp_path: Path) -> None:
    url = str(tmp_path / "labels.db")
    project, people = prepared(url, items=500, people=32, overlap=3)
    acked, errors = storm(url, project, people)
    assert errors == []
    counts_are_exact(url, [one["id"] for one in acked], items=500, overlap=3)


@pytest.mark.proof
def test_the_same_on_postgresql(socket: Path) -> None:
    url = postgres.new_database(socket)
    project, people = prepared(url, items=200, people=16, overlap=3)
    acked, errors = storm(url, project, people)
    assert errors == []
    counts_are_exact(url, [one["id"] for one in acked], items=200, overlap=3)


@pytest.mark.proof
def test_without_begin_immediate_it_fails(tmp_path: Path) -> None:
    """The negative control: the storm does find what the promises guard against."""
    url = str(tmp_path / "labels.db")
    project, people = prepared(url, items=60, people=16, overlap=3)
    _, errors = storm(url, project, people, begin="BEGIN")
    assert any("locked" in error for error in errors)


def run_writer(
    url: str, project: int, person: int, outbox: Path, failpoint: str = ""
) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PREFTUNE_FAILPOINT": failpoint}
    command = [sys.executable, "-m", "tests.feedback.store.writers", url, str(project), str(person)]
    return subprocess.run([*command, str(outbox)], env=environment, check=False, timeout=WAIT)


def no_ack_is_lost(tmp_path: Path, point: str, after: int) -> None:
    url, outbox = str(tmp_path / "labels.db"), tmp_path / "outbox.jsonl"
    project, [person] = prepared(url, items=4, people=1, overlap=1)
    killed = run_writer(url, project, person, outbox, f"{point}:{after}")
    assert killed.returncode == -signal.SIGKILL
    sent, acked = read_outbox(outbox)
    assert len(acked) == after - 1 and len(sent) == after
    assert run_writer(url, project, person, outbox).returncode == 0
    sent, acked = read_outbox(outbox)
    assert acked == set(sent)
    counts_are_exact(url, sorted(acked), items=4, overlap=1)
    with closing(sqlite3.connect(url)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_killed_before_the_commit(tmp_path: Path) -> None:
    no_ack_is_lost(tmp_path, "judgment.before_commit", 2)


@pytest.mark.proof
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("after", [1, 3])
def test_killed_at_every_failpoint(tmp_path: Path, point: str, after: int) -> None:
    no_ack_is_lost(tmp_path, point, after)


@pytest.mark.proof
def test_an_acknowledged_judgment_was_forced_to_the_disk(tmp_path: Path) -> None:
    """Power loss is another thing than SIGKILL: fdatasync of the log comes before the answer."""
    assert shutil.which("strace"), "run .ci/postgres"
    url, outbox = str(tmp_path / "labels.db"), tmp_path / "outbox.jsonl"
    project, [person] = prepared(url, items=3, people=1, overlap=1)
    log = tmp_path / "calls"
    calls = "trace=fsync,fdatasync,write,pwrite64,openat"
    command = ["strace", "-f", "-y", "-s", "200", "-e", calls, "-o", str(log)]
    command += [sys.executable, "-m", "tests.feedback.store.writers", url, str(project)]
    subprocess.run([*command, str(person), str(outbox)], check=True, timeout=WAIT)
    order = ""
    for line in log.read_text().splitlines():
        if re.search(r"\bp?write(64)?\(.*outbox", line):
            order += "s" if '\\"sent' in line else "a" if '\\"acked' in line else ""
        elif re.search(r"\bpwrite64\(\d+<.*labels\.db-wal", line):
            order += "w"
        elif re.search(r"\b(fsync|fdatasync)\(\d+<.*labels\.db-wal", line):
            order += "f"
    between = re.findall(r"s([wf]*)a", order)
    assert len(between) == 3, order
    assert all(re.fullmatch(r"w+f", one) for one in between), order


@pytest.mark.proof
def test_killed_anywhere(tmp_path: Path) -> None:
    """SIGKILL at times nobody chose: ten times the same store, then everything is there once."""
    url, outbox = str(tmp_path / "labels.db"), tmp_path / "outbox.jsonl"
    project, [person] = prepared(url, items=400, people=1, overlap=1)
    for number in range(10):
        command = [sys.executable, "-m", "tests.feedback.store.writers", url, str(project)]
        child = subprocess.Popen([*command, str(person), str(outbox)])
        before = len(read_outbox(outbox)[1])
        end = time.monotonic() + WAIT
        while child.poll() is None and len(read_outbox_safely(outbox)) < before + 5 + 3 * number:
            assert time.monotonic() < end, "the writer acknowledges nothing"
            time.sleep(0.001)
        child.kill()
        child.wait(WAIT)
        trim(outbox)
    assert run_writer(url, project, person, outbox).returncode == 0
    sent, acked = read_outbox(outbox)
    assert acked == set(sent)
    counts_are_exact(url, sorted(acked), items=400, overlap=1)


def read_outbox_safely(outbox: Path) -> list[str]:
    return [line for line in outbox.read_text().splitlines() if "acked" in line] if (
        outbox.exists()) else []  # fmt: skip


def trim(outbox: Path) -> None:
    """Drops a line that was cut off by the kill."""
    if outbox.exists():
        whole = outbox.read_text()
        outbox.write_text(whole[: whole.rfind("\n") + 1])


def test_an_open_lease_of_a_killed_process_returns(tmp_path: Path) -> None:
    url = str(tmp_path / "labels.db")
    store: Store = open_store(url, create=True)
    project = made.project(store, count=1, lease_seconds=50)
    ada, bob = made.person(store, "ada"), made.person(store, "bob")
    made.take(store, project, ada, now=100.0)
    store.close()  # nothing is said to anybody
    store = open_store(url)
    call = {"project_id": project.id, "annotator_id": bob.id}
    assert not isinstance(leases.take(store, **call, now=149.0), Assignment)
    assert isinstance(leases.take(store, **call, now=150.0), Assignment)
    store.close()
