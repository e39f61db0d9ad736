"""Opening the store: SQLite by default, PostgreSQL by URL, the same code on both.

SQLite: WAL, synchronous=FULL, every write transaction begins with BEGIN IMMEDIATE (a transaction
that reads first and writes later fails at once when another wrote in between, whatever the busy
timeout), and the threads of a process wait in one line, where those that wait together are
committed together. PostgreSQL: READ
COMMITTED with row locks; what two transactions did at the same time is tried again.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from preftune.feedback.store import migrations
from preftune.feedback.store.line import Job, Line, Tell, Undone
from preftune.feedback.store.schema import SETTING
from preftune.records import BadInput, RunFailed

BUSY_SECONDS = 30.0
RETRIES = 8

NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs"}
"""File systems whose locks SQLite cannot rely on."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Errand(Generic[T]):
    """One write, and what is made of it: ``after`` gets what ``work`` gave, once on the disk."""

    work: Callable[[Connection], Any]
    after: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Store:
    """An open store. Safe to share between threads; each process opens its own."""

    url: str
    """As opened, with the password left out."""
    writer: Engine
    reader: Engine
    token_key: bytes
    salt: bytes
    line: Line | None = field(default=None, repr=False)
    """Where this process's threads wait to write; None on PostgreSQL."""
    items: dict[int, Any] = field(default_factory=dict, repr=False)
    """Items read before; they never change."""
    fixed: dict[tuple[str, int], Any] = field(default_factory=dict, repr=False)
    """What never changes of projects and assignments, read before."""

    @property
    def is_sqlite(self) -> bool:
        return self.writer.dialect.name == "sqlite"

    @property
    def driver_error(self) -> type[Exception]:
        """What the driver itself raises."""
        error: type[Exception] = self.writer.dialect.loaded_dbapi.Error
        return error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent snapshot; writes are refused."""
        with self.reader.connect() as connection, connection.begin():
            yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Runs ``work`` in one write transaction; when this returns, it is on the disk.

        ``work`` may run again from its start (PostgreSQL), so it does nothing but use its
        connection. Raises RunFailed when the database is busy too long, full or gone.
        """
        if self.line is not None:
            line = self.line
            return self._said(lambda: line.write(work))
        for attempt in range(RETRIES):
            try:
                with self.writer.begin() as connection:
                    return work(connection)
            except (DBAPIError, self.driver_error) as error:
                cause = error.orig if isinstance(error, DBAPIError) else error
                if not _worth_again(cause) or attempt == RETRIES - 1:
                    raise _failure(cause) from error
                time.sleep(0.002 * 2**attempt)
        raise AssertionError("unreachable")

    def carry_out(self, errand: Errand[T]) -> T:
        """An errand's write, and then what comes after it."""
        return errand.after(self.write(errand.work))

    def write_later(self, work: Callable[[Connection], Any], tell: Tell, owner: Any) -> Job:
        """``write`` for an event loop, which cannot wait; SQLite only. See :meth:`Line.later`."""
        assert self.line is not None
        return self.line.later(work, tell, owner)

    def outcome(self, job: Job) -> Any:
        """What ``write`` would have given or raised, of a job that was told."""
        return self._said(job.outcome)

    def _said(self, ask: Callable[[], T]) -> T:
        """Faults of the database in our own words."""
        try:
            return ask()
        except Undone as undone:
            raise _failure(undone.cause) from undone
        except (DBAPIError, self.driver_error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise _failure(cause) from error

    def now(self, connection: Connection) -> float:
        """The database's own clock; SQLite runs in this process and has this machine's."""
        if self.is_sqlite:
            return time.time()
        return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)

    def close(self) -> None:
        """Closes every connection."""
        if self.line is not None:
            self.line.close()
        self.writer.dispose()
        self.reader.dispose()


def open_store(url_or_path: str, *, create: bool = False) -> Store:
    """Opens a store: a path or ``sqlite:///path``, or ``postgresql://user@host/name``.

    With ``create`` a missing store is made and an older one is upgraded. Raises BadInput for a
    store that is not there, older (with the remedy) or newer than this preftune.
    """
    url = _url(url_or_path)
    if url.get_backend_name() == "sqlite":
        _check_place(Path(str(url.database)), create)
    writer, reader = _engines(url)
    shown = url.render_as_string(hide_password=True)
    line = _line(url, writer)
    store = Store(shown, writer, reader, b"", b"", line)
    try:
        store.write(lambda connection: migrations.bring_up(connection, create=create, url=shown))
        with store.reading() as connection:
            rows = connection.execute(select(SETTING.c.name, SETTING.c.value)).all()
            secrets = {row.name: row.value for row in rows}
    except BaseException:
        store.close()
        raise
    return Store(
        shown,
        writer,
        reader,
        bytes.fromhex(secrets["token_key"]),
        bytes.fromhex(secrets["salt"]),
        line,
    )


def _line(url: URL, writer: Engine) -> Line | None:
    """A line of writes with the file whose lock the writing processes wait for."""
    if url.get_backend_name() != "sqlite":
        return None
    return Line(writer, os.open(f"{url.database}-turn", os.O_RDWR | os.O_CREAT, 0o600))


def _url(given: str) -> URL:
    if "://" not in given:
        return URL.create("sqlite", database=str(Path(given).expanduser()))
    try:
        url = make_url(given)
        backend = url.get_backend_name()
    except ArgumentError:
        backend = ""
    if backend == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise BadInput(
        "This is no place for a label store.",
        remedy="Give a file such as labels.db, or postgresql://user@host/name.",
    )


def _check_place(path: Path, create: bool) -> None:
    if not path.exists() and not create:
        raise BadInput(
            "There is no label store here.",
            file=path,
            remedy=f"Make one with `preftune label init {path}`.",
        )
    if path.is_dir() or not path.parent.is_dir():
        raise BadInput("This is no file in a folder that exists.", file=path)
    kind = _file_system(path.parent.resolve())
    if kind in NETWORK:
        raise BadInput(
            f"A label store cannot lie on a network file system ({kind}): locks do not hold there.",
            file=path,
            remedy="Use a local disk, or PostgreSQL.",
        )


def _file_system(folder: Path) -> str:
    """The kind of file system of a folder, "" where the system does not say."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    mounts = [line.split(" ")[1:3] for line in lines]
    inside = [(len(at), kind) for at, kind in mounts if folder.is_relative_to(at)]
    return max(inside)[1] if inside else ""


def _engines(url: URL) -> tuple[Engine, Engine]:
    if url.get_backend_name() == "sqlite":
        settings: dict[str, Any] = {
            "connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False},
            "poolclass": QueuePool,
            "pool_timeout": 2 * BUSY_SECONDS,
        }
        writer = create_engine(url, **settings, pool_size=1, max_overflow=2)
        reader = create_engine(url, **settings, pool_size=8, max_overflow=16)
        event.listen(writer, "connect", _connect_writer)
        event.listen(reader, "connect", _connect_reader)
        event.listen(reader, "begin", _begin)
        return writer, reader
    options = "-c synchronous_commit=on -c timezone=UTC"
    settings = {"pool_pre_ping": True, "connect_args": {"options": options}}
    writer = create_engine(
        url, **settings, pool_size=16, max_overflow=16, isolation_level="READ COMMITTED"
    )
    reader = create_engine(
        url, **settings, pool_size=8, max_overflow=16, isolation_level="REPEATABLE READ"
    )
    reader = reader.execution_options(postgresql_readonly=True)
    return writer, reader


def _connect_writer(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun by us
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN")


def _connect_reader(connection: Any, _: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _worth_again(cause: BaseException | None) -> bool:
    """Deadlock, serialization failure, or two transactions adding the same row."""
    return getattr(cause, "sqlstate", None) in ("40001", "40P01", "23505", "55P03")


def _failure(cause: BaseException | None) -> BaseException:
    if type(cause).__name__ in ("OperationalError", "DatabaseError", "InterfaceError"):
        reason = str(cause).strip().splitlines()[0]
        return RunFailed(
            f"The label store could not be written: {reason}.",
            remedy="Nothing was changed; the same request can be sent again.",
        )
    return cause or AssertionError("an error without a cause")
