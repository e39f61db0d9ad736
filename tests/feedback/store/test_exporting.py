"""Exports by watermark, backups, and stores of older and newer schemas."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from preftune.feedback.store import adjudication, events, exporting, guidelines, migrations, people
from preftune.feedback.store.backup import backup
from preftune.feedback.store.engine import Store, open_store
from preftune.feedback.store.nouns import Project
from preftune.feedback.store.schema import ANNOTATOR
from preftune.records import BadInput
from tests.feedback import made


def labelled(store: Store, count: int = 4) -> Project:
    project = made.project(store, count=count, overlap=2, gold_fraction=0.0)
    for name, said in (("ada", made.A), ("bob", made.B)):
        who = made.person(store, name, group="north")
        for _ in range(count):
            made.answer(store, made.take(store, project, who), said)
    return project


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_watermark_gives_the_same_bytes(store: Store, tmp_path: Path) -> None:
    project = labelled(store)
    first = exporting.snapshot(store, "replies", tmp_path / "a")
    guidelines.publish(store, project.id, "New rules", actor="test", changes="all")
    lead = made.person(store, "lead", role="lead")
    [worst, *_] = adjudication.queue(store, project.id, annotator_id=lead.id)
    adjudication.say_blind(store, worst.item.number, annotator_id=lead.id, answer=made.A)
    ruling = adjudication.Ruling(made.A)
    adjudication.decide(store, worst.item.number, ruling, annotator_id=lead.id)
    people.change(store, people.named(store, "ada").id, actor="test", group="south")
    people.remove(store, people.named(store, "bob").id, actor="test")
    from preftune.feedback.store import items

    items.add(store, project.id, [made.pair("later")], actor="test")
    again = exporting.snapshot(store, "replies", tmp_path / "b", watermark=first.watermark)
    assert contents(first.folder) == contents(again.folder)
    now = exporting.snapshot(store, "replies", tmp_path / "c")
    assert {name: part["rows"] for name, part in now.manifest["files"].items()} == {
        "items": 5,
        "judgments": 8,
        "decisions": 1,
        "guidelines": 2,
    }


def test_an_export_is_what_its_manifest_says_and_names_nobody(store: Store, tmp_path: Path) -> None:
    labelled(store)
    made_ = exporting.snapshot(store, "replies", tmp_path / "out")
    files = contents(made_.folder)
    manifest = json.loads(files["manifest.json"])
    for name, part in manifest["files"].items():
        content = files[f"{name}.jsonl"]
        assert hashlib.sha256(content).hexdigest() == part["sha256"]
        assert content.count(b"\n") == part["rows"]
    rows = [json.loads(line) for line in files["judgments.jsonl"].splitlines()]
    assert len({row["annotator"] for row in rows}) == 2
    assert {row["group"] for row in rows} == {"north"}
    whole = b"".join(files.values())
    for secret in (b'"ada"', b'"bob"', store.salt.hex().encode(), store.token_key.hex().encode()):
        assert secret not in whole  # in quotes: "ada" may stand in a hash
    for line in files["judgments.jsonl"].splitlines():
        row = json.loads(line)
        assert line == json.dumps(row, sort_keys=True, separators=(",", ":")).encode()


def test_texts_no_database_likes_come_back_as_they_were(store: Store, tmp_path: Path) -> None:
    from preftune.feedback.store import items
    from preftune.feedback.store.nouns import NewItem

    nasty = "nul \x00, half \ud800, right-to-left \u202e, quote ' \" %s :x"
    project = made.project(store, count=0)
    items.add(store, project.id, [NewItem("n", nasty, (nasty, "b"))], actor="test")
    given = made.take(store, project, made.person(store))
    assert (given.item.prompt, given.item.responses[0].text) == (nasty, nasty)
    made.answer(store, given, {**made.A, "note": "NUL \x00 too"})
    exporting.snapshot(store, "replies", tmp_path / "out")
    [row] = (tmp_path / "out" / "items.jsonl").read_bytes().splitlines()
    assert json.loads(row)["prompt"] == nasty


def test_a_watermark_not_reached_is_refused(store: Store, tmp_path: Path) -> None:
    labelled(store, 1)
    with pytest.raises(BadInput, match="not reached"):
        exporting.snapshot(store, "replies", tmp_path / "x", watermark=10_000)
    assert list(tmp_path.glob("x*")) == []


def test_a_kill_leaves_no_half_written_export(tmp_path: Path) -> None:
    url = str(tmp_path / "labels.db")
    store = open_store(url, create=True)
    labelled(store)
    store.close()
    out = tmp_path / "out"
    command = [sys.executable, "-m", "preftune", "label", "export", url, "replies", str(out)]
    killed = subprocess.run(
        command, env={**os.environ, "PREFTUNE_FAILPOINT": "export.before_publish"}, check=False
    )
    assert killed.returncode == -signal.SIGKILL and not out.exists()
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert (out / "manifest.json").is_file() and not list(tmp_path.glob(".out*"))


def test_a_backup_is_a_store_with_the_same_export(sqlite_store: Store, tmp_path: Path) -> None:
    labelled(sqlite_store)
    first = exporting.snapshot(sqlite_store, "replies", tmp_path / "a")
    copy = open_store(str(backup(sqlite_store, tmp_path / "copy.db")))
    with pytest.raises(BadInput):
        backup(sqlite_store, tmp_path / "copy.db")
    second = exporting.snapshot(copy, "replies", tmp_path / "b")
    copy.close()
    assert contents(first.folder) == contents(second.folder)


def test_a_dump_restores_to_the_same_export(socket: Path, tmp_path: Path) -> None:
    from tests.feedback import postgres

    store = open_store(postgres.new_database(socket), create=True)
    labelled(store)
    first = exporting.snapshot(store, "replies", tmp_path / "a")
    dump = backup(store, tmp_path / "store.dump")
    store.close()
    url = postgres.new_database(socket)
    target = url.replace("?host=", "?host=")
    command = [postgres.program("pg_restore"), "--no-owner", f"--dbname={target}", str(dump)]
    subprocess.run(command, check=True)
    copy = open_store(url)
    second = exporting.snapshot(copy, "replies", tmp_path / "b")
    assert events.verify(copy).ok
    copy.close()
    assert contents(first.folder) == contents(second.folder)


def test_an_older_store_is_upgraded_with_its_data_and_a_newer_one_refused(url: str) -> None:
    store = open_store(url, create=True)
    engine_url = store.writer.url
    store.close()
    from sqlalchemy import create_engine

    engine = create_engine(engine_url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for table in ("judgment", "decision", "event"):
                for verb in ("update", "delete"):
                    connection.execute(text(f"DROP TRIGGER {table}_no_{verb}"))
        else:
            connection.execute(text("DROP FUNCTION append_only() CASCADE"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        row = {"name": "ada", "created_at": 1.0}
        connection.execute(insert(ANNOTATOR).values(**row))
    with pytest.raises(BadInput, match="older schema 0001"):
        open_store(url)
    store = open_store(url, create=True)
    assert [person.name for person in people.all(store)] == ["ada"]
    project = made.project(store)
    made.answer(store, made.take(store, project, people.named(store, "ada")))
    with pytest.raises(Exception, match="append-only"):
        store.write(lambda connection: connection.execute(text("DELETE FROM judgment")))
    store.close()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BadInput, match="newer"):
        open_store(url, create=True)
    engine.dispose()


def test_the_migrations_make_the_schema_of_the_code(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from preftune.feedback.store.schema import METADATA

    with closing(open_store(url, create=True)) as store, store.writer.connect() as connection:
        assert migrations.revision(connection) == migrations.HEAD
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    with pytest.raises(BadInput, match="songs"):
        open_store(str(path), create=True)
    with pytest.raises(BadInput, match="no label store here"):
        open_store(str(tmp_path / "none.db"))
