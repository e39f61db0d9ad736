"""The rows of a file whose column has one of some values, in their order."""

from preftune.data import read_rows, write_rows
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.recipe import Select
from preftune.records import BadInput

ROWS = "rows.jsonl"


def run(context: StageContext[Select]) -> StageOutcome:
    settings = context.settings
    path = context.inputs["source"]
    rows = read_rows(path)
    kept = [row for row in rows if str(row.get(settings.column)) in settings.values]
    if not kept:
        known = sorted({str(row[settings.column]) for row in rows if settings.column in row})[:20]
        raise BadInput(
            f"No row has {settings.column} = {' or '.join(settings.values)}.",
            file=path,
            remedy=f"There are {', '.join(known)}." if known else "Name a column that rows have.",
        )
    write_rows(context.folder / ROWS, kept[: settings.limit])
    return StageOutcome({"rows": ROWS}, {"read": len(rows), "rows": len(kept[: settings.limit])})
