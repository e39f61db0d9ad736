"""The line of a process's writes: those that wait together are committed together.

A commit costs a forced write to the disk, however little it holds. So the first thread in the line
does the work of all that wait behind it, each in a savepoint of its own, in one transaction, and
nobody is told "done" before that transaction's commit is on the disk (group commit). One that
fails is rolled back alone. Between processes the database's own lock decides.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

try:
    import fcntl
except ImportError:  # Windows: SQLite's own waiting has to do
    fcntl = None  # type: ignore[assignment]

WRITE_BEGIN = "BEGIN IMMEDIATE"
LONGEST = 0.05
"""Seconds after which a transaction takes in no further work."""

T = TypeVar("T")


class Undone(Exception):
    """The transaction came to nothing; ``cause`` is why. The work was not at fault."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Job:
    __slots__ = ("work", "gate", "leads", "result", "error")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work, self.gate, self.leads = work, Lock(), False
        self.result: Any = None
        self.error: BaseException | None = None
        self.gate.acquire()


class Line:
    """Where the threads of a process wait to write to one SQLite file."""

    def __init__(self, engine: Engine, turn: int | None) -> None:
        self._engine, self._turn_file = engine, turn
        self._jobs: deque[_Job] = deque()
        self._mutex, self._led = Lock(), False
        self._connection: Connection | None = None

    def write(self, work: Callable[[Connection], T]) -> T:
        """``work``'s result, once it is on the disk. Raises what it raised, or Undone."""
        job = _Job(work)
        with self._mutex:
            self._jobs.append(job)
            job.leads, self._led = not self._led, True
        try:
            if not job.leads:
                job.gate.acquire()
            if job.leads:
                self._lead()
        except BaseException:
            self._leave(job)
            raise
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def close(self) -> None:
        """Gives the connection and the file back."""
        if self._connection is not None:
            self._connection.close()
        if self._turn_file is not None:
            os.close(self._turn_file)

    def _lead(self) -> None:
        """Does what waits, then hands the lead to the first that came meanwhile."""
        done: list[_Job] = []
        try:
            self._commit(done)
        except BaseException as error:
            for job in done:
                job.error = job.error or Undone(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._hand_on()
            for job in done:
                job.gate.release()

    def _hand_on(self) -> None:
        with self._mutex:
            self._led = bool(self._jobs)
            if self._led:
                self._jobs[0].leads = True
                self._jobs[0].gate.release()

    def _leave(self, job: _Job) -> None:
        """An interrupted thread does not keep the others waiting."""
        with self._mutex:
            waiting = job in self._jobs
            if waiting:
                self._jobs.remove(job)
        if waiting and job.leads:
            self._hand_on()

    def _next(self) -> _Job | None:
        with self._mutex:
            return self._jobs.popleft() if self._jobs else None

    def _commit(self, done: list[_Job]) -> None:
        """One transaction with all that waits; ``done`` gets whoever is to be told."""
        try:
            with self._turn():
                self._transaction(self._opened(), done)
        finally:
            while not done and (job := self._next()) is not None:
                done.append(job)

    def _transaction(self, connection: Connection, done: list[_Job]) -> None:
        driver: Any = connection.connection.dbapi_connection
        driver.execute(WRITE_BEGIN)
        try:
            self._work(connection, driver, done)
        finally:
            if driver.in_transaction:
                driver.execute("ROLLBACK")

    def _work(self, connection: Connection, driver: Any, done: list[_Job]) -> None:
        """Job after job; the first, when nobody waits behind it, needs no savepoint."""
        end = time.monotonic() + LONGEST
        while (not done or time.monotonic() < end) and (job := self._next()) is not None:
            alone = not done and not self._jobs
            done.append(job)
            if not alone:
                driver.execute("SAVEPOINT one")
            try:
                job.result = job.work(connection)
            except Exception as error:
                job.error = error
                if not driver.in_transaction:
                    raise  # a full disk: the database gave up all of it
                if alone:
                    return
                driver.execute("ROLLBACK TO one")
            if not alone:
                driver.execute("RELEASE one")
        driver.execute("COMMIT")

    def _opened(self) -> Connection:
        """The one connection, its transactions begun and ended by us."""
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.begin()
        return self._connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Waits among the writing processes, woken as soon as the one before is done.

        SQLite alone would sleep and look again, up to a tenth of a second at a time. The promises
        do not rest on this lock but on the transaction; where there is none, SQLite waits.
        """
        if self._turn_file is None or fcntl is None:
            yield
            return
        fcntl.flock(self._turn_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn_file, fcntl.LOCK_UN)
