"""One HTML file for a run: what happened, what came out, and how far to believe it."""

from preftune.reports.comparison import (
    comparison_table,
    write_comparison,
    write_comparison_table,
)
from preftune.reports.methods import Comparison, Method, compare_runs
from preftune.reports.overoptimisation import History, Verdict, history, overoptimisation
from preftune.reports.page import render, write_report
from preftune.reports.pareto import ParetoFront, front_rows, pareto_front
from preftune.reports.reading import Run, StageView, read_run

__all__ = [
    "Comparison",
    "History",
    "Method",
    "ParetoFront",
    "Run",
    "StageView",
    "Verdict",
    "compare_runs",
    "comparison_table",
    "front_rows",
    "history",
    "overoptimisation",
    "pareto_front",
    "read_run",
    "render",
    "write_comparison",
    "write_comparison_table",
    "write_report",
]
