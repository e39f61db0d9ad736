"""``preftune compare``: the methods of several runs side by side."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from preftune.cli.options import AsJson
from preftune.cli.reply import Reply, table, write_line


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    against: Annotated[
        str | None,
        typer.Option(
            help="The policy that win rates are against; else the one KL is measured to.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write an HTML page.", show_default=False),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the table in Markdown.", show_default=False),
    ] = None,
    front: Annotated[
        str | None,
        typer.Option(
            metavar="AXIS,AXIS",
            help="Which methods none beats on all of these axes of the judge; -AXIS: less is more.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> Reply:
    """Show methods side by side: judge, proxy, KL, length, variety, tokens and time.

    Every policy of every evaluate stage is a line. Runs of one recipe with different seeds are one
    method, with intervals over the seeds. The page shows the frontier of score and KL. Needs no
    torch.
    """
    from preftune.reports import (
        compare_runs,
        comparison_table,
        front_rows,
        pareto_front,
        write_comparison,
        write_comparison_table,
    )

    compared = compare_runs(runs, against)
    found = None if front is None else pareto_front(compared, front.split(","))
    written = [str(write_comparison(compared, out, found).absolute())] if out else []
    written += [str(write_comparison_table(compared, markdown).absolute())] if markdown else []

    def show(console: Console) -> None:
        made = comparison_table(compared)
        console.print(table(made.caption, made.head, made.body))
        if found is not None:
            head = ("method", "on the front", *found.axes)
            console.print(table("Pareto front", head, front_rows(found)))
        for line in (*compared.notes, *written):
            write_line(console, line)

    told = {} if found is None else {"front": found.as_json()}
    return Reply(compared.as_json() | told | {"written": written}, show)
