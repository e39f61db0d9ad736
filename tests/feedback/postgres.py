"""A private PostgreSQL server for tests: its own cluster in a temporary folder, a Unix socket only.

The server's programs refuse to run as root, so there they run as the user ``postgres``.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PROGRAMS = Path("/usr/lib/postgresql")
PORT = 5432


def program(name: str) -> str:
    """The newest server's program of this name."""
    found = sorted(PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which(name)
    assert found or on_path, f"{name} is missing: run .ci/postgres"
    return str(found[-1]) if found else str(on_path)


@contextmanager
def server() -> Iterator[Path]:
    """A running server; the folder of its socket."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        person = pwd.getpwnam("postgres")
        os.chown(folder, person.pw_uid, person.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"

    def call(name: str, *arguments: str) -> None:
        command = [*as_user, program(name), *arguments]
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False, timeout=150
        )
        assert done.returncode == 0, done.stderr + done.stdout

    try:
        call("initdb", "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses='' -k {folder} -p {PORT} -c shared_buffers=16MB"
        options += " -c max_connections=120"
        log = str(folder / "log")
        call("pg_ctl", "-D", str(data), "-w", "-t", "120", "-l", log, "-o", options, "start")
        try:
            yield folder
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(socket: Path) -> str:
    """The URL of an empty database."""
    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(
        host=str(socket), port=PORT, user="tester", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return f"postgresql://tester@/{name}?host={socket}&port={PORT}"
