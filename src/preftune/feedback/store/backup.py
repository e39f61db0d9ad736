"""Backups while the store is in use."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from preftune.artifacts.files import PARTIAL, disk_errors, sync_folder
from preftune.feedback.store.engine import Store
from preftune.records import BadInput, RunFailed

PAGES = 1_000


def backup(store: Store, path: str | Path) -> Path:
    """A consistent copy: SQLite's online backup, or pg_dump's custom format.

    A SQLite copy is a label store of its own; a dump is read back with ``pg_restore``. It appears
    whole or not at all. BadInput when the file is there already, RunFailed when it fails.
    """
    place = Path(path)
    if place.exists():
        raise BadInput("There is a file of this name already.", file=place)
    partial = place.with_name(f".{place.name}{PARTIAL}")
    partial.unlink(missing_ok=True)
    try:
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            if store.is_sqlite:
                _copy(store, partial)
            else:
                _dump(store, partial)
            descriptor = os.open(partial, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            os.replace(partial, place)
            sync_folder(place.parent)
    finally:
        partial.unlink(missing_ok=True)
    return place


def _copy(store: Store, partial: Path) -> None:
    source = str(make_url(store.url).database)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(partial)) as copy:
        live.backup(copy, pages=PAGES)
        if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise RunFailed("The copy is not sound; the store's disk may be failing.")


def _dump(store: Store, partial: Path) -> None:
    program = shutil.which("pg_dump") or _newest_pg_dump()
    if program is None:
        raise BadInput(
            "pg_dump is not on this machine.", remedy="Install PostgreSQL's client programs."
        )
    url = store.writer.url.set(drivername="postgresql")
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    shown = url.set(password=None).render_as_string()
    command = [program, "--format=custom", f"--file={partial}", f"--dbname={shown}"]
    done = subprocess.run(
        command, env={**os.environ, **password}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RunFailed(f"pg_dump failed: {done.stderr.strip().splitlines()[-1:]}")


def _newest_pg_dump() -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))
    return str(found[-1]) if found else None
