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
from queue import SimpleQueue
from threading import Condition, Lock, Thread
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


class Job:
    """Work in the line. A thread waits for it at ``gate``; or ``tell`` is called when it is done.

    ``owner`` is whatever whoever called :meth:`Line.later` finds it by.
    """

    __slots__ = ("work", "gate", "tell", "owner", "leads", "result", "error")

    def __init__(
        self, work: Callable[[Connection], Any], tell: "Tell | None" = None, owner: Any = None
    ) -> None:
        self.work, self.tell, self.owner = work, tell, owner
        self.gate, self.leads = Lock(), False
        self.result: Any = None
        self.error: BaseException | None = None
        self.gate.acquire()

    def outcome(self) -> Any:
        """Of a job that is done: its result. Raises what the work raised, or Undone."""
        if self.error is not None:
            raise self.error
        return self.result


Tell = Callable[[list[Job]], None]
"""Called once with all of its jobs that one commit has put on the disk, or that failed; in the
thread that committed. It must not raise."""


class Line:
    """Where the threads of a process wait to write to one SQLite file."""

    def __init__(self, engine: Engine, turn: int | None) -> None:
        self._engine, self._turn_file = engine, turn
        self._jobs: deque[Job] = deque()
        self._mutex, self._led = Lock(), False
        self._idle = Condition(self._mutex)
        self._connection: Connection | None = None
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._clerk: Thread | None = None

    def write(self, work: Callable[[Connection], T]) -> T:
        """``work``'s result, once it is on the disk. Raises what it raised, or Undone."""
        job = Job(work)
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
        result: T = job.outcome()
        return result

    def later(self, work: Callable[[Connection], Any], tell: Tell, owner: Any = None) -> Job:
        """The same without waiting: ``tell`` is called when ``job.outcome()`` can be asked for.

        Where no waiting thread leads, a thread of the line's own does.
        """
        job = Job(work, tell, owner)
        with self._mutex:
            self._jobs.append(job)
            job.leads, self._led = not self._led, True
            if job.leads:
                self._call()
        return job

    def close(self) -> None:
        """Ends the line's own thread, once all that waits is done; gives back what it holds."""
        with self._idle:
            self._idle.wait_for(lambda: not self._led)
        if self._clerk is not None:
            self._calls.put(False)
            self._clerk.join()
        if self._connection is not None:
            self._connection.close()
        if self._turn_file is not None:
            os.close(self._turn_file)

    def _call(self) -> None:
        """Wakes the line's own thread to lead; called with the mutex held."""
        if self._clerk is None:
            self._clerk = Thread(target=self._serve, name="label store", daemon=True)
            self._clerk.start()
        self._calls.put(True)

    def _serve(self) -> None:
        while self._calls.get():
            try:
                self._lead()
            except BaseException:
                continue  # the jobs have been told; the line goes on

    def _lead(self) -> None:
        """Does what waits, then hands the lead to the first that came meanwhile."""
        done: list[Job] = []
        try:
            self._commit(done)
        except BaseException as error:
            for job in done:
                job.error = job.error or Undone(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._hand_on()
            _tell(done)

    def _hand_on(self) -> None:
        with self._mutex:
            self._led = bool(self._jobs)
            if not self._led:
                self._idle.notify_all()
                return
            first = self._jobs[0]
            first.leads = True
            if first.tell is None:
                first.gate.release()
            else:
                self._call()

    def _leave(self, job: Job) -> None:
        """An interrupted thread does not keep the others waiting."""
        with self._mutex:
            waiting = job in self._jobs
            if waiting:
                self._jobs.remove(job)
        if waiting and job.leads:
            self._hand_on()

    def _next(self) -> Job | None:
        with self._mutex:
            return self._jobs.popleft() if self._jobs else None

    def _commit(self, done: list[Job]) -> None:
        """One transaction with all that waits; ``done`` gets whoever is to be told."""
        try:
            with self._turn():
                self._transaction(self._opened(), done)
        finally:
            while not done and (job := self._next()) is not None:
                done.append(job)

    def _transaction(self, connection: Connection, done: list[Job]) -> None:
        driver: Any = connection.connection.dbapi_connection
        driver.execute(WRITE_BEGIN)
        try:
            self._work(connection, driver, done)
        finally:
            if driver.in_transaction:
                driver.execute("ROLLBACK")

    def _work(self, connection: Connection, driver: Any, done: list[Job]) -> None:
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


def _tell(done: list[Job]) -> None:
    """Lets waiting threads go; calls each ``tell`` once."""
    told: dict[Tell, list[Job]] = {}
    for job in done:
        if job.tell is None:
            job.gate.release()
        else:
            told.setdefault(job.tell, []).append(job)
    for tell, jobs in told.items():
        tell(jobs)
