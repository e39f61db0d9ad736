"""``preftune bench``: how fast this machine does a piece of work."""

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console

from preftune.cli.bench_peers import (
    PEER_WORKS,
    Data,
    ModelSize,
    Peers,
    Precision,
    Results,
    against_peers,
)
from preftune.cli.options import AsJson
from preftune.cli.reply import Reply, shown, table
from preftune.records import BadInput

Rows = list[dict[str, Any]]


def bench(
    work: Annotated[
        str,
        typer.Argument(
            metavar="WORK",
            help="What to measure: reward_model, dpo, kto, sft, rloo, grpo, ppo, generate or all "
            "of these; feedback, feedback-http or feedback-browser.",
        ),
    ],
    data: Data = None,
    model: ModelSize = "17m",
    precision: Precision = "float32",
    peers: Peers = None,
    results: Results = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", help="feedback: an empty database instead of a file.", show_default=False
        ),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="How long a round.")] = 5.0,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds; the median counts.")] = 3,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Labelers writing or asking at once.")
    ] = 16,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="feedback: over how many processes.")
    ] = 1,
    as_json: AsJson = False,
) -> Reply:
    """Measure a piece of work; JSON rows with unit, value and spread.

    Training and generation are compared with the peers that are installed, on equal work; run
    nothing else meanwhile. A run that was stopped goes on where it was.
    """
    known = (*PEER_WORKS, "all", *WORKS)
    if work not in known:
        raise BadInput(f"There is no work {work!r} to measure.", remedy=f"Try {', '.join(known)}.")
    asked: dict[str, Any] = {"data": data, "store": store, "seconds": seconds, "rounds": rounds}
    asked |= {"workers": workers, "processes": processes, "peers": peers, "results": results}
    asked |= {"model": model, "precision": precision}
    if work in WORKS:
        rows = WORKS[work](asked)
    else:
        rows = against_peers(asked, PEER_WORKS if work == "all" else (work,))

    def show(console: Console) -> None:
        names = ("work", "unit", "value", "spread", "peer", "ratio")
        cells = [
            (r["work"], r["unit"], shown(r["ours"]), shown(r["spread"]), r["peer_name"] or "–",
             shown(r["ratio"]))
            for r in rows
        ]  # fmt: skip
        console.print(table("", names, cells))

    return Reply({"rows": rows}, show)


def row(work: str, unit: str, values: list[float], **more: Any) -> dict[str, Any]:
    """One line of the speed table. ``spread``: (largest − smallest) / median of the rounds."""
    middle = median(values)
    return {
        "work": work,
        "unit": unit,
        "ours": middle,
        "spread": (max(values) - min(values)) / middle if middle else 0.0,
        "rounds": values,
        "peer": None,
        "peer_name": None,
        "ratio": None,
        "limit": None,
        "peak_memory_ratio": None,
        **more,
    }


def feedback(asked: Mapping[str, Any]) -> Rows:
    """Lease-and-submit cycles in the label store; every cycle is two writes, each on the disk."""
    from preftune.cli.label import store_url
    from preftune.feedback.store.speed import measure

    given = asked["store"]
    if given is not None and asked["rounds"] > 1:
        raise BadInput("An empty database serves one round.", remedy="Use --rounds 1.")
    paces = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked["rounds"]):
            url = str(Path(folder) / f"{number}.db") if given is None else store_url(given)
            how = {name: asked[name] for name in ("processes", "seconds")}
            paces.append(measure(url, writers=asked["workers"], **how))
    more = {"writers": asked["workers"], "processes": paces[0].processes}
    more["errors"] = sum(pace.errors for pace in paces)
    return [
        row("feedback", "lease-and-submit cycles/s", [p.per_second for p in paces], **more),
        row("feedback wait, median", "ms", [p.median_ms for p in paces]),
        row("feedback wait, 99 %", "ms", [p.worst_percent_ms for p in paces]),
    ]


def feedback_http(asked: Mapping[str, Any]) -> Rows:
    """The same cycles through the labelling app's API: two requests each, over HTTP."""
    from preftune.cli.bench_web import http_rounds

    rounds = http_rounds(asked)
    more = {"clients": asked["workers"]}
    spent = "processor ms a cycle"
    rows = [
        row(
            "feedback over HTTP",
            "lease-and-submit cycles/s",
            [p.per_second for p in rounds],
            **more,
        )
    ]
    if not any(math.isnan(pace.server_ms) for pace in rounds):
        rows.append(row("feedback over HTTP, server", spent, [p.server_ms for p in rounds]))
    return [*rows, row("feedback over HTTP, clients", spent, [p.clients_ms for p in rounds])]


def feedback_browser(asked: Mapping[str, Any]) -> Rows:
    """From the Enter key to the next item painted, in Chromium on this machine."""
    import numpy as np

    from preftune.cli.bench_web import key_rounds

    rounds = key_rounds(asked)
    return [
        row(f"key to paint, {share} %", "ms", [float(np.percentile(one, share)) for one in rounds])
        for share in (50, 95)
    ]


WORKS: dict[str, Callable[[Mapping[str, Any]], Rows]] = {
    "feedback": feedback,
    "feedback-http": feedback_http,
    "feedback-browser": feedback_browser,
}
"""What can be measured, by name."""
