"""Exports by watermark: the same watermark gives the same bytes.

A snapshot is a folder of canonical JSON lines (sorted keys, UTF-8, in the items' order, no time of
the export) with a manifest of hashes and counts. It is written under a temporary name, forced to
the disk and renamed, reads one consistent state whatever is written meanwhile, and streams.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from preftune.artifacts import failpoint, publish_folder, write_json_atomic
from preftune.artifacts.files import PARTIAL, disk_errors
from preftune.feedback.store import adjudication, events, fencing, items, latest, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Item, Judgment, Project
from preftune.feedback.store.schema import EVENT, GUIDELINE
from preftune.records import BadInput

SCHEMA_VERSION = 1
BLOCK = 500


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A finished export: its folder, the watermark, and the manifest."""

    folder: Path
    watermark: int
    manifest: Mapping[str, Any]


def watermark_now(store: Store) -> int:
    """The number of the last event: everything up to here is settled."""
    with store.reading() as connection:
        return events.head(connection)[0]


def checked_watermark(connection: Connection, watermark: int | None) -> int:
    """The watermark asked for, or the last event's number. BadInput when it is not reached yet."""
    end = events.head(connection)[0]
    if watermark is None:
        return end
    if not 0 <= watermark <= end:
        raise BadInput(f"The watermark {watermark} is not reached yet; the last event is {end}.")
    return watermark


def snapshot(
    store: Store,
    project: str,
    out: str | Path,
    *,
    watermark: int | None = None,
    surplus: bool = False,
) -> Snapshot:
    """Writes ``items.jsonl``, ``judgments.jsonl``, ``decisions.jsonl``, ``guidelines.jsonl`` and
    ``manifest.json`` into a new folder.

    Annotators are pseudonyms, models stay named. ``surplus``: also what was not counted. Raises
    Unknown, BadInput (watermark), RunFailed (the folder exists, or the disk refuses).
    """
    wanted = projects.named(store, project)
    final = Path(out)
    partial = final.with_name(f".{final.name}{PARTIAL}")
    with disk_errors(final):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            manifest = _write(store, wanted, partial, watermark, surplus)
            write_json_atomic(partial / "manifest.json", manifest)
            failpoint("export.before_publish")
            publish_folder(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Snapshot(final, manifest["watermark"], manifest)


def _write(
    store: Store, project: Project, folder: Path, watermark: int | None, surplus: bool
) -> dict[str, Any]:
    with store.reading() as connection:
        mark = checked_watermark(connection, watermark)
        parts: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
            "items": lambda: _items(connection, project.id, mark),
            "judgments": lambda: _judgments(connection, store, project.id, mark, surplus),
            "decisions": lambda: _decisions(connection, store, project.id, mark),
            "guidelines": lambda: _guidelines(connection, project.id, mark),
        }
        files = {name: _lines(folder / f"{name}.jsonl", rows()) for name, rows in parts.items()}
        chosen = select(EVENT.c.hash).where(EVENT.c.seq == mark)
        tip = connection.scalar(chosen) or events.START
    return {
        "schema_version": SCHEMA_VERSION,
        "project": project.name,
        "kind": project.kind,
        "question": project.question,
        "filter": {"purpose": "work", "surplus": surplus},
        "watermark": mark,
        "event_hash": tip,
        "files": files,
    }


def _lines(path: Path, rows: Iterator[dict[str, Any]]) -> dict[str, Any]:
    digest, count = hashlib.sha256(), 0
    with open(path, "wb") as out:
        for row in rows:
            line = canonical_line(row)
            digest.update(line)
            out.write(line)
            count += 1
    return {"sha256": digest.hexdigest(), "rows": count}


def canonical_line(row: Mapping[str, Any]) -> bytes:
    """One row in its one spelling: sorted keys, no spaces, UTF-8 (lone surrogates escaped)."""
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _items(connection: Connection, project_id: int, mark: int) -> Iterator[dict[str, Any]]:
    for item in work_items(connection, project_id, mark):
        yield {
            "id": item.name,
            "prompt": item.prompt,
            "responses": [
                {"text": one.text, "model": one.model, "sampling": one.sampling}
                for one in item.responses
            ],
            "columns": item.columns,
            "priority": item.priority,
            "selection_probability": item.selection_probability,
            "group_id": item.group_id,
        }


def work_items(connection: Connection, project_id: int, mark: int) -> Iterator[Item]:
    """The ordinary items that were there by a watermark, in their order."""
    after = 0
    while True:
        block = items.listed_in(connection, project_id, after=after, limit=BLOCK, watermark=mark)
        if not block:
            return
        yield from (item for item in block if item.purpose == "work")
        after = block[-1].number


def _judgments(
    connection: Connection, store: Store, project_id: int, mark: int, surplus: bool
) -> Iterator[dict[str, Any]]:
    for said in latest.last_revisions(connection, project_id, watermark=mark, surplus=surplus):
        for one in sorted(said, key=lambda judgment: judgment.judgment_id):
            yield {
                **judgment_row(one),
                "annotator": fencing.pseudonym(store.salt, one.annotator_id),
            }


def judgment_row(one: Judgment) -> dict[str, Any]:
    """A judgment as exported, without who it was."""
    return {
        "judgment_id": one.judgment_id,
        "submission_id": one.submission_id,
        "revision": one.revision,
        "item": one.item_name,
        "group": one.group,
        "origin": one.origin,
        "labeler_version": one.version,
        "status": one.status,
        "answer": one.answer,
        "presentation": one.presentation,
        "guideline_version": one.guideline_version,
        "active_ms": one.active_ms,
        "wall_ms": one.wall_ms,
        "created_at": one.created_at,
        "seq": one.seq,
    }


def _decisions(
    connection: Connection, store: Store, project_id: int, mark: int
) -> Iterator[dict[str, Any]]:
    made = adjudication.decisions_in(connection, project_id, stage="final", watermark=mark)
    names = {item.number: item.name for item in work_items(connection, project_id, mark)}
    for one in made:
        yield {
            "item": names[one.item_number],
            "annotator": fencing.pseudonym(store.salt, one.annotator_id),
            "answer": one.answer,
            "confidence": one.confidence,
            "error_kind": one.error_kind,
            "note": one.note,
            "guideline_change": one.guideline_change,
            "created_at": one.created_at,
            "seq": one.seq,
        }


def _guidelines(connection: Connection, project_id: int, mark: int) -> Iterator[dict[str, Any]]:
    """The versions published by the watermark: the first, and those with an event by then."""
    published = select(EVENT.c.payload).where(
        EVENT.c.project_id == project_id, EVENT.c.seq <= mark, EVENT.c.kind == "guideline.published"
    )
    known = {1, *(json.loads(payload)["version"] for payload in connection.scalars(published))}
    chosen = select(GUIDELINE).where(GUIDELINE.c.project_id == project_id)
    for row in connection.execute(chosen.order_by(GUIDELINE.c.version)):
        if row.version in known:
            yield {"version": row.version, "text": row.text, "changes": row.changes}
