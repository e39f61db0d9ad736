"""The rows of several files in one file, in their order, rows that say the same kept once."""

import json
from pathlib import Path
from typing import Any

from preftune.data import detect, load_comparisons, read_rows, to_row, write_rows
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.recipe import Gather
from preftune.records import BadInput

ROWS = "rows.jsonl"


def run(context: StageContext[Gather]) -> StageOutcome:
    kept: dict[str, dict[str, object]] = {}
    total, formats = 0, []
    for place in range(len(context.settings.sources)):
        path = context.inputs[f"sources.{place}"]
        rows = _comparisons(path) if context.settings.as_comparisons else read_rows(path)
        formats.append(detect(rows, file=str(path)))
        if formats[-1] is not formats[0]:
            raise BadInput(
                f"Its rows are {formats[-1].value}, those before are {formats[0].value}.",
                file=path,
                remedy="Gather files of one format; `preftune data convert` changes it.",
            )
        total += len(rows)
        for row in rows:
            kept.setdefault(json.dumps(row, sort_keys=True), row)
    write_rows(context.folder / ROWS, list(kept.values()))
    return StageOutcome(
        {"rows": ROWS},
        {"files": len(formats), "rows": len(kept), "said_twice": total - len(kept)},
    )


def _comparisons(path: Path) -> list[dict[str, Any]]:
    return [to_row(comparison) for comparison in load_comparisons(path)]
