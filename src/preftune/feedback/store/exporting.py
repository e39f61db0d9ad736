"""Exports by watermark: the same watermark gives the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preftune.feedback.store.engine import Store

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A finished export: its folder, the watermark, and the manifest."""

    folder: Path
    watermark: int
    manifest: Mapping[str, Any]


def snapshot(
    store: Store, project: str, out: str | Path, *, watermark: int | None = None
) -> Snapshot:
    """Writes ``items.jsonl``, ``judgments.jsonl``, ``decisions.jsonl`` and ``manifest.json``."""
    raise NotImplementedError


def watermark_now(store: Store) -> int:
    """The number of the last event: everything up to here is settled."""
    raise NotImplementedError
