"""What has been said by a watermark: the last revision of each judgment, item by item."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, select

from preftune.feedback.store import judgments
from preftune.feedback.store.nouns import Judgment
from preftune.feedback.store.schema import ITEM, JUDGMENT

BLOCK = 2_000


def last_revisions(
    connection: Connection,
    project_id: int,
    *,
    watermark: int | None = None,
    purpose: str = "work",
    surplus: bool = False,
) -> Iterator[list[Judgment]]:
    """One list an item, in the items' order: what counts, each in its last revision.

    Reads block by block inside the caller's snapshot, so memory does not grow with the project.
    """
    after = 0
    while True:
        block = _items(connection, project_id, purpose, after)
        if not block:
            return
        rows = _of(connection, block, watermark)
        for _, said in groupby(rows, key=lambda judgment: judgment.item_number):
            last = {judgment.judgment_id: judgment for judgment in said}
            kept = [one for one in last.values() if surplus or one.status != "surplus"]
            if kept:
                yield kept
        after = block[-1]


def _items(connection: Connection, project_id: int, purpose: str, after: int) -> list[int]:
    chosen = (
        select(ITEM.c.id)
        .where(ITEM.c.project_id == project_id, ITEM.c.purpose == purpose, ITEM.c.id > after)
        .order_by(ITEM.c.id)
        .limit(BLOCK)
    )
    return list(connection.scalars(chosen))


def _of(connection: Connection, block: list[int], watermark: int | None) -> list[Judgment]:
    conditions: list[Any] = [JUDGMENT.c.item_id.between(block[0], block[-1])]
    conditions.append(ITEM.c.id.between(block[0], block[-1]))
    if watermark is not None:
        conditions.append(JUDGMENT.c.seq <= watermark)
    inside = set(block)
    ordered = judgments.rows_of(*conditions).order_by(JUDGMENT.c.item_id, JUDGMENT.c.seq)
    rows = connection.execute(ordered).mappings()
    return [one for one in judgments.read(rows) if one.item_number in inside]
