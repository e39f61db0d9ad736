"""Writes that wait together are committed together, and each is told only after the commit."""

import fcntl
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from preftune.feedback.store import line
from preftune.feedback.store.engine import Store, open_store
from preftune.feedback.store.line import Job
from preftune.records import RunFailed

Work = Callable[[Connection], Any]


def put(value: int) -> Work:
    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO put VALUES (:value)"), {"value": value})
        return value

    return work


def fault(value: int) -> Work:
    def work(connection: Connection) -> int:
        put(value)(connection)
        raise ValueError(f"not {value}")

    return work


@pytest.fixture
def statements(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the writing connection is asked from here on; a slow machine cuts no line short."""
    monkeypatch.setattr(line, "LONGEST", 60.0)
    sqlite_store.write(lambda connection: connection.execute(text("CREATE TABLE put (value)")))
    seen: list[str] = []
    sqlite_store.write(lambda connection: driver(connection).set_trace_callback(seen.append))
    seen.clear()
    return seen


def driver(connection: Connection) -> sqlite3.Connection:
    found: Any = connection.connection.dbapi_connection
    assert isinstance(found, sqlite3.Connection)
    return found


def stored(store: Store) -> list[int]:
    """What another connection sees."""
    with closing(sqlite3.connect(str(store.writer.url.database))) as other:
        return sorted(row[0] for row in other.execute("SELECT value FROM put"))


@contextmanager
def held(store: Store) -> Iterator[None]:
    """Another process has its turn."""
    with open(f"{store.writer.url.database}-turn") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def together(store: Store, works: list[Work]) -> dict[int, Any]:
    """Calls that wait in one line until another process lets go; what each gave or raised."""
    told: dict[int, Any] = {}

    def call(place: int) -> None:
        try:
            told[place] = store.write(works[place])
        except Exception as error:
            told[place] = error

    threads = [threading.Thread(target=call, args=(n,), daemon=True) for n, _ in enumerate(works)]
    with held(store):
        for number, thread in enumerate(threads):
            thread.start()
            while len(store.line._jobs) <= number:  # type: ignore[union-attr]
                assert thread.is_alive()
                time.sleep(0.001)
        assert told == {}
    for thread in threads:
        thread.join(60)
    return told


def test_all_that_wait_share_one_commit(sqlite_store: Store, statements: list[str]) -> None:
    told = together(sqlite_store, [put(n) for n in range(12)])
    assert told == {n: n for n in range(12)}
    assert stored(sqlite_store) == list(range(12))
    assert [statements.count(word) for word in ("BEGIN IMMEDIATE", "COMMIT")] == [1, 1]
    assert statements[-1] == "COMMIT"


def test_nobody_is_told_before_the_commit(sqlite_store: Store, statements: list[str]) -> None:
    """At every acknowledgement another connection sees the row."""
    seen: list[bool] = []

    def call(value: int) -> None:
        sqlite_store.write(put(value))
        seen.append(value in stored(sqlite_store))

    threads = [threading.Thread(target=call, args=(n,), daemon=True) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [True] * 20
    assert statements.count("COMMIT") == statements.count("BEGIN IMMEDIATE") <= 20


@pytest.mark.parametrize("wrong", [0, 2, 4])
def test_who_fails_is_undone_alone(sqlite_store: Store, statements: list[str], wrong: int) -> None:
    told = together(sqlite_store, [fault(n) if n == wrong else put(n) for n in range(5)])
    failed = told.pop(wrong)
    assert isinstance(failed, ValueError) and str(failed) == f"not {wrong}"
    assert sorted(told) == sorted(told.values()) == stored(sqlite_store)
    assert len(told) == 4 and statements.count("COMMIT") == 1


def test_alone_a_failure_leaves_nothing(sqlite_store: Store, statements: list[str]) -> None:
    with pytest.raises(ValueError, match="not 7"):
        sqlite_store.write(fault(7))
    assert stored(sqlite_store) == []
    assert statements[0] == "BEGIN IMMEDIATE" and statements[-1] == "ROLLBACK"
    assert sqlite_store.write(put(1)) == 1 and stored(sqlite_store) == [1]


def test_a_commit_that_fails_is_told_to_all(sqlite_store: Store, statements: list[str]) -> None:
    """A deferred foreign key is looked at by COMMIT itself."""

    def orphan(connection: Connection) -> None:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        connection.execute(text("INSERT INTO response (item_id, place, text) VALUES (999, 0, 'x')"))

    told = together(sqlite_store, [put(0), orphan, put(2)])
    assert [str(told[n]) for n in range(3)] == ["FOREIGN KEY constraint failed"] * 3
    assert stored(sqlite_store) == []
    assert sqlite_store.write(put(3)) == 3 and stored(sqlite_store) == [3]


def test_a_transaction_the_database_gave_up_is_told_to_all(
    sqlite_store: Store, statements: list[str]
) -> None:
    """As on a full disk: a limit of pages makes SQLite roll everything back by itself."""

    def full(connection: Connection) -> None:
        driver(connection).execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    told = together(sqlite_store, [put(0), full, put(2)])
    assert all(isinstance(told[n], RunFailed) for n in (0, 1)), told
    assert "disk is full" in str(told[0]) and "disk is full" in str(told[1])
    assert told[2] == 2 and stored(sqlite_store) == [2]


def test_an_interrupted_leader_lets_the_others_go_on(
    sqlite_store: Store, statements: list[str]
) -> None:
    def interrupted(_: Connection) -> None:
        raise KeyboardInterrupt

    told: list[BaseException] = []

    def first() -> None:
        try:
            sqlite_store.write(interrupted)
        except KeyboardInterrupt as error:
            told.append(error)

    thread = threading.Thread(target=first, daemon=True)
    with held(sqlite_store):
        thread.start()
        while not sqlite_store.line._jobs:  # type: ignore[union-attr]
            assert thread.is_alive()
            time.sleep(0.001)
        waiting = threading.Thread(target=lambda: sqlite_store.write(put(1)), daemon=True)
        waiting.start()
    thread.join(60)
    waiting.join(60)
    assert len(told) == 1 and not thread.is_alive() and not waiting.is_alive()
    assert sqlite_store.write(put(2)) == 2 and stored(sqlite_store)[-1] == 2


def until(store: Store, works: list[Work]) -> tuple[list[Job], list[list[Job]], list[bool]]:
    """Works handed in by one that does not wait, while another process has its turn.

    The jobs, how they were told, and whether another connection saw a row at each telling.
    """
    calls: list[list[Job]] = []
    seen: list[bool] = []
    all_told = threading.Event()

    def tell(done: list[Job]) -> None:
        calls.append(done)
        seen.append(stored(store) != [])
        if sum(map(len, calls)) == len(works):
            all_told.set()

    with held(store):
        jobs = [store.write_later(work, tell, n) for n, work in enumerate(works)]
        assert calls == []
    assert all_told.wait(60)
    return jobs, calls, seen


def test_who_does_not_wait_is_told_once_a_commit(
    sqlite_store: Store, statements: list[str]
) -> None:
    jobs, calls, seen = until(sqlite_store, [put(n) for n in range(12)])
    assert [[job.owner for job in done] for done in calls] == [list(range(12))] and seen == [True]
    assert [sqlite_store.outcome(job) for job in jobs] == list(range(12)) == stored(sqlite_store)
    assert [statements.count(word) for word in ("BEGIN IMMEDIATE", "COMMIT")] == [1, 1]


def test_of_those_who_do_not_wait_one_fails_alone(
    sqlite_store: Store, statements: list[str]
) -> None:
    def full(connection: Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    works = [put(0), fault(1), put(2), full, put(4)]
    (zero, one, two, three, four), _, _ = until(sqlite_store, works)
    assert [sqlite_store.outcome(job) for job in (zero, two, four)] == [0, 2, 4]
    assert stored(sqlite_store) == [0, 2, 4]
    with pytest.raises(ValueError, match="not 1"):
        sqlite_store.outcome(one)
    with pytest.raises(RunFailed, match="disk is full"):
        sqlite_store.outcome(three)


def test_an_interrupt_in_the_lines_own_thread_does_not_end_it(
    sqlite_store: Store, statements: list[str]
) -> None:
    def interrupted(_: Connection) -> None:
        raise KeyboardInterrupt

    jobs, calls, _ = until(sqlite_store, [put(0), interrupted, put(2)])
    for lost in jobs[:2]:
        with pytest.raises(KeyboardInterrupt):
            sqlite_store.outcome(lost)
    assert sqlite_store.outcome(jobs[2]) == 2 and stored(sqlite_store) == [2]
    assert [[job.owner for job in done] for done in calls] == [[0, 1], [2]]


def test_those_who_wait_and_those_who_do_not_share_a_line(
    sqlite_store: Store, statements: list[str]
) -> None:
    """Whichever leads, and whoever is first when the lead is handed on."""
    told, told_all = [], threading.Event()

    def tell(done: list[Job]) -> None:
        told.extend(job.outcome() for job in done)
        if len(told) == 150:
            told_all.set()

    def wait(start: int) -> None:
        for value in range(start, start + 50):
            assert sqlite_store.write(put(value)) == value

    threads = [threading.Thread(target=wait, args=(1000 * n,), daemon=True) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for value in range(150):
        sqlite_store.write_later(put(value), tell, None)
    for thread in threads:
        thread.join(60)
    assert told_all.wait(60) and told == list(range(150))
    waited = [value for start in (1000, 2000, 3000) for value in range(start, start + 50)]
    assert stored(sqlite_store) == [*range(150), *waited]


@pytest.mark.parametrize("longest", [line.LONGEST, 0.0])
def test_closing_waits_for_what_was_handed_in(
    tmp_path: Path, longest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one transaction, or in many, each of which calls for the next."""
    monkeypatch.setattr(line, "LONGEST", longest)
    store = open_store(str(tmp_path / "labels.db"), create=True)
    store.write(lambda connection: connection.execute(text("CREATE TABLE put (value)")))
    jobs = [store.write_later(put(n), lambda done: None, None) for n in range(200)]
    store.close()
    assert stored(store) == list(range(200)) == [job.outcome() for job in jobs]
