"""preftune against its peers: one row of the table at a time, results written as they come.

    python -m benchmarks.peers --work dpo --data PAIRS.jsonl.gz --peers FOLDER
    python -m benchmarks.peers --table
    python -m benchmarks.peers --gate --results FOLDER

Runs of both sides alternate, each a process of its own. What is in the results already is not run
again, so a stopped row goes on where it was.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.peers.job import Job
from benchmarks.peers.matmul import ceiling
from benchmarks.peers.table import (
    below_baseline,
    markdown,
    phase_markdown,
    phase_rows,
    summary,
)
from benchmarks.peers.works import OURS, WORKS, Peer, Work

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", action="append", choices=list(WORKS), help="all if not said")
    parser.add_argument("--data", type=Path, help="comparisons: prompt, chosen, rejected")
    parser.add_argument("--peers", type=Path, default=Path(".peers"), help="their environments")
    parser.add_argument("--folder", type=Path, default=Path("runs/peers"), help="models and rows")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--model", choices=("2m", "17m", "124m"), default="17m")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--lengths", choices=("mixed", "fixed"), default="mixed")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each side")
    parser.add_argument("--steps", type=int, help="optimizer steps of a run, the first not timed")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--length", type=int)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="of the table")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument(
        "--gate",
        action="store_true",
        help="compare the ratios of --results with those of the repository",
    )
    parser.add_argument("--slack", type=float, default=0.1, help="how far a ratio may fall")
    return parser.parse_args()


def sized(work: Work, args: argparse.Namespace) -> Work:
    """With what the command line says."""
    if args.precision == "bfloat16":
        work = replace(work, settings=dict(work.settings) | dict(work.in_bfloat16))
    given = {name: getattr(args, name) for name in ("steps", "batch", "length")}
    return replace(work, **{name: value for name, value in given.items() if value is not None})


def place_of(name: str, args: argparse.Namespace) -> Path:
    generates = bool(WORKS[name].epochs > 1 or WORKS[name].samples > 1 or not WORKS[name].trained)
    lengths = f"-{args.lengths}" if generates else ""
    return args.results / f"peers-{name}-{args.model}-{args.precision}{lengths}.json"


def begun(name: str, work: Work, args: argparse.Namespace, jobs: dict[str, Job]) -> dict[str, Any]:
    """The row as it stands in the results, or a new one; another size starts it anew."""
    size = {"batch": work.batch, "steps": work.steps, "length": work.length,
            "epochs": work.epochs, "samples": work.samples, "threads": args.threads,
            "settings": dict(work.settings)}  # fmt: skip
    folders = {"policy": jobs["ours"].model, "reward": jobs["ours"].reward}
    trained = [Path(folders[one], "model.safetensors").stat().st_size for one in work.trained]
    row: dict[str, Any] = {
        "work": name,
        "unit": work.unit,
        "model": args.model,
        "precision": args.precision,
        "lengths": args.lengths if jobs["ours"].script else "",
        "size": size,
        "agreeing": {key: list(value) for key, value in work.agreeing.items()},
        "loosely": sorted(work.loosely),
        "trained_bytes": sum(trained),
        "processor": processor(),
        "runs": [],
    }
    place = place_of(name, args)
    if place.exists():
        known = json.loads(place.read_text(encoding="utf-8"))
        if known["size"] == size:
            row |= {name: known[name] for name in ("runs", "ceiling") if name in known}
    if "ceiling" not in row:
        row["ceiling"] = ceiling(args.threads, args.precision)
    return row


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.processor()


def asked(work: Work, peers: Path) -> Iterator[tuple[str, str, Peer | None]]:
    """(side, variant, peer) of one round: ours, then every peer that is installed."""
    yield "ours", "plain", None
    for peer in work.peers:
        if peer.environment != OURS and not (peers / peer.environment / "bin/python").exists():
            print(f"{peer.name}: no {peers / peer.environment}, left out", file=sys.stderr)
            continue
        for variant in peer.variants:
            yield peer.name, variant, peer


def run_one(job: Job, driver: str, python: str) -> dict[str, Any]:
    """One process; its result. What it says goes to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "job.json"), Path(folder, "result.json")
        job.write(given)
        environment = os.environ | {
            "OMP_NUM_THREADS": str(job.threads),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        command = [python, "-m", driver, str(given), str(found)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode or not found.exists():
            print(done.stdout[-2000:] + done.stderr[-4000:], file=sys.stderr)
            raise SystemExit(f"{job.side}, {job.variant}: the process ended with {done.returncode}")
        return dict(json.loads(found.read_text(encoding="utf-8")))


def measure(name: str, args: argparse.Namespace) -> None:
    """The runs of a row that are missing."""
    from benchmarks.peers.inputs import Plan, prepare

    work = sized(WORKS[name], args)
    job = replace(work.job(name, args.precision, args.threads), lengths=args.lengths)
    jobs = prepare(Plan(job, args.folder.absolute() / args.model, args.data, args.model))
    row, place = begun(name, work, args, jobs), place_of(name, args)
    for number in range(args.rounds):
        for side, variant, peer in asked(work, args.peers.absolute()):
            known = [r for r in row["runs"] if (r["side"], r["variant"]) == (side, variant)]
            if len(known) > number:
                continue
            options = work.settings if peer is None else peer.variants[variant]
            mine = replace(jobs["ours" if peer is None else "peer"], side=side, variant=variant,
                           options=options)  # fmt: skip
            driver = work.driver if peer is None else peer.driver
            python = sys.executable
            if peer is not None and peer.environment != OURS:
                python = str(args.peers.absolute() / peer.environment / "bin/python")
            print(f"{name}, round {number + 1}: {side}, {variant}", file=sys.stderr)
            row["runs"].append(run_one(mine, driver, python))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


def read_results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(folder.glob("peers-*.json"))]


def compared(results: Iterable[dict[str, Any]], clock: str) -> list[dict[str, Any]]:
    return [row for result in results for row in summary(result, clock)]


def gate(args: argparse.Namespace) -> None:
    """Exits with 1 where a ratio has fallen."""
    if args.results.resolve() == RESULTS:
        raise SystemExit("--results names new results; these are the repository's own")
    rows = compared(read_results(args.results), args.clock)
    fallen = below_baseline(rows, compared(read_results(RESULTS), args.clock), args.slack)
    if fallen:
        raise SystemExit("\n".join(fallen))
    print(f"{len(rows)} ratios, none more than {args.slack:.0%} below the repository's")


def main() -> None:
    args = arguments()
    if args.gate:
        gate(args)
        return
    if not args.table:
        if args.data is None:
            raise SystemExit("--data names the comparisons to work on")
        for name in args.work or WORKS:
            measure(name, args)
    results = read_results(args.results)
    rows, phases = compared(results, args.clock), [p for r in results for p in phase_rows(r)]
    if args.json:
        print(json.dumps({"rows": rows, "phases": phases}))
    else:
        print(markdown(rows), phase_markdown(phases), sep="\n\n")


if __name__ == "__main__":
    main()
