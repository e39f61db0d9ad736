"""Dataset files and records: reading, writing, converting, checking and splitting.

The columns are TRL's where TRL has a format, and ours where it has none. This room ends at roles
and text: tokens and chat templates are the business of ``models``.
"""

from preftune.data.ballots import Ballot, load_ballots
from preftune.data.checking import check
from preftune.data.converting import convert, targets
from preftune.data.faults import Fault, Notice
from preftune.data.formats import COLUMNS, Format, detect
from preftune.data.importers import SOURCES
from preftune.data.inspecting import inspect
from preftune.data.loaders import (
    Loaded,
    load,
    load_comparisons,
    load_demonstrations,
    load_documents,
    load_judged,
    load_prompts,
    load_rankings,
    load_ratings,
    load_rewarded,
    load_stepwise,
    load_voted_pairs,
)
from preftune.data.recorded import to_row, write_records
from preftune.data.splitting import split
from preftune.data.tables import Row, Table, read_rows, read_table, uncollected
from preftune.data.votes import Tally, ranked_pairs, share_for_a, tally, weighed_share
from preftune.data.weighing import load_weighed, require_annotators
from preftune.data.writing import write_rows

__all__ = [
    "COLUMNS",
    "SOURCES",
    "Ballot",
    "Fault",
    "Format",
    "Loaded",
    "Notice",
    "Row",
    "Table",
    "Tally",
    "check",
    "convert",
    "detect",
    "inspect",
    "load",
    "load_ballots",
    "load_comparisons",
    "load_demonstrations",
    "load_documents",
    "load_judged",
    "load_prompts",
    "load_rankings",
    "load_ratings",
    "load_rewarded",
    "load_stepwise",
    "load_voted_pairs",
    "load_weighed",
    "ranked_pairs",
    "read_rows",
    "read_table",
    "require_annotators",
    "share_for_a",
    "split",
    "tally",
    "targets",
    "to_row",
    "uncollected",
    "weighed_share",
    "write_records",
    "write_rows",
]
