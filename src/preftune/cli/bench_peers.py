"""``preftune bench`` for training and generation: the repository's benchmark against peers.

Peers are other programs in environments of their own, so the benchmark stands beside the package,
in the repository's ``benchmarks``; here it is asked, and its rows are handed on.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import preftune
from preftune.cli.train_extra import INSTALL, missing_packages
from preftune.records import BadInput, RunFailed

PEER_WORKS = ("reward_model", "dpo", "kto", "sft", "rloo", "grpo", "ppo", "generate")
"""What is compared with peers; a test holds the list against the benchmark's own."""

Data = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Training: comparisons (prompt, chosen, rejected).", show_default=False
    ),
]
ModelSize = Annotated[
    Literal["2m", "17m", "124m"],
    typer.Option("--model", help="Training: the size of the model, with random weights."),
]
Precision = Annotated[
    Literal["float32", "bfloat16"], typer.Option("--precision", help="Training: of both sides.")
]
Peers = Annotated[
    Path | None,
    typer.Option(
        "--peers",
        metavar="DIR",
        help="Training: where benchmarks/peers/install.sh put the peers, .peers if not said.",
        show_default=False,
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(
        "--results",
        metavar="DIR",
        help="Training: where every run is written, benchmarks/results if not said.",
        show_default=False,
    ),
]


def against_peers(asked: Mapping[str, Any], works: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows of the speed table for these works, measured now or taken from a run that stopped.

    Raises :class:`BadInput` without data or outside the repository, :class:`RunFailed` when a
    side's process fails.
    """
    repository = Path(preftune.__file__).resolve().parents[2]
    if missing_packages():
        raise BadInput("Training is not installed.", remedy=f"Run {INSTALL}.")
    if not (repository / "benchmarks" / "peers" / "__main__.py").exists():
        raise BadInput(
            "Comparing with peers needs preftune's repository, which is not around this package.",
            remedy="Clone it, run make test or pip install -e '.[train]' there, and ask there.",
        )
    data = asked["data"]
    if data is None:
        raise BadInput(
            "This work needs comparisons to work on.",
            remedy="Name a file of prompt, chosen and rejected with --data.",
        )
    if not data.exists():
        raise BadInput("This file does not exist.", file=data, remedy="Check --data.")
    command = [sys.executable, "-m", "benchmarks.peers", "--json", "--data", str(data.resolve())]
    command += [part for work in works for part in ("--work", work)]
    for option in ("peers", "results"):
        if asked[option] is not None:
            command += [f"--{option}", str(asked[option].resolve())]
    command += ["--model", asked["model"], "--precision", asked["precision"]]
    command += ["--rounds", str(asked["rounds"])]
    done = subprocess.run(command, cwd=repository, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RunFailed(
            f"The benchmark ended with {done.returncode}.",
            remedy="What it said stands above; what is measured is kept, so run it again.",
        )
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    wanted = {"model": asked["model"], "precision": asked["precision"]}
    return [
        row
        for row in rows
        if row["work"] in works and all(row[name] == value for name, value in wanted.items())
    ]
