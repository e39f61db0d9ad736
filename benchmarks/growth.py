"""How the cost of a training step and of an answer grows: rows, length, width, one at a time.

    python -m benchmarks.growth --data COMPARISONS.jsonl

Each point is a process of its own, which runs an SFT stage (or the built-in engine) as the table
against peers does. The slope of a column is that of log(cost) on log(size) between its two largest
points: 1 is proportional, 2 quadratic. Written to benchmarks/results/growth.json.
"""

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.peers.__main__ import RESULTS, processor, run_one
from benchmarks.peers.inputs import comparisons, make_models, write_rows, write_script
from benchmarks.peers.job import Job
from benchmarks.peers.table import seconds_per_step
from preftune.models import load_tokenizer
from preftune.models.rendering import Renderer

STEPS = 3
CONTEXT = 1024
AXES: Mapping[str, Sequence[int]] = {
    "rows": (4, 8, 16, 32),
    "length": (64, 128, 256, 512, 1000),
    "width": (128, 256, 512, 1024),
    "new tokens": (32, 64, 128, 256, 512),
}


@dataclass(frozen=True, slots=True)
class Point:
    """What one process does; ``axis`` says which of the sizes is ``size``."""

    axis: str
    size: int
    rows: int = 8
    length: int = 256
    width: int = 256
    new: int = 0


def points() -> list[Point]:
    """All of them, the others' sizes kept in the middle."""
    found = []
    for axis, sizes in AXES.items():
        for size in sizes:
            point = Point(axis, size)
            if axis == "new tokens":
                point = replace(point, length=64, new=size)
            else:
                point = replace(point, **{axis: size})
            found.append(point)
    return found


def texts_of_length(data: Path, tokenizer: Any, length: int, count: int) -> list[tuple[str, str]]:
    """(prompt, answer) pairs cut from one stream of text, each of ``length`` tokens when joined."""
    stream = "\n".join(part for row in comparisons(data) for part in row)
    ids = tokenizer(stream[: 16 * count * length], add_special_tokens=False)["input_ids"]
    assert len(ids) >= count * length
    half = length // 2
    pieces = [ids[at : at + length] for at in range(0, count * length, length)]
    return [(tokenizer.decode(one[:half]), tokenizer.decode(one[half:-1])) for one in pieces]


def job_of(point: Point, data: Path, folder: Path, threads: int) -> tuple[Job, str]:
    """The job, its rows written, and the driver that does it."""
    everything = [text for row in comparisons(data) for text in row]
    model, reward = make_models(folder, f"w{point.width}", everything)
    tokenizer = load_tokenizer(model)
    generates = point.new > 0
    count = point.rows * (1 if generates else STEPS)
    pairs = texts_of_length(data, tokenizer, point.length, count)
    stem = folder / f"{point.axis}-{point.size}".replace(" ", "-")
    job = Job(
        work="generate" if generates else "sft",
        side="ours",
        variant="plain",
        model=str(model),
        reward=str(reward),
        rows="",
        batch=point.rows,
        steps=STEPS,
        length=point.new or CONTEXT,
        precision="float32",
        threads=threads,
        learning_rate=1e-4,
        lengths="fixed",
    )
    if not generates:
        rows = [{"prompt": prompt, "completion": answer} for prompt, answer in pairs]
        return replace(
            job, rows=write_rows(stem.with_suffix(".jsonl"), rows)
        ), "benchmarks.peers.ours"
    prompts = [{"prompt": prompt} for prompt, _ in pairs]
    renderer = Renderer(tokenizer, CONTEXT)
    script = write_script(stem.with_suffix(".json"), renderer, prompts)
    rows_at = write_rows(stem.with_suffix(".jsonl"), prompts)
    return replace(job, rows=rows_at, script=script), "benchmarks.peers.generate_native"


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """d log(cost) / d log(size) between the two largest sizes."""
    return math.log(costs[-1] / costs[-2]) / math.log(sizes[-1] / sizes[-2])


def markdown(told: Sequence[Mapping[str, Any]]) -> str:
    """A row for each axis: seconds and megabytes at each size, then the slopes."""
    lines = ["| grows | sizes | seconds | slope | MB beyond the loaded model | slope |"]
    lines.append("|---|---|---|---|---|---|")
    for axis in dict.fromkeys(one["axis"] for one in told):
        mine = [one for one in told if one["axis"] == axis]
        sizes = [one["size"] for one in mine]
        seconds = [one["seconds"] for one in mine]
        bytes_ = [one["bytes"] for one in mine]
        cells = (
            axis,
            ", ".join(f"{size}" for size in sizes),
            ", ".join(f"{one:.3g}" for one in seconds),
            f"{slope(sizes, seconds):.2f}",
            ", ".join(f"{one / 1e6:.0f}" for one in bytes_),
            f"{slope(sizes, bytes_):.2f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="comparisons")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for point in points():
            print(f"{point.axis} {point.size}", file=sys.stderr)
            job, driver = job_of(point, args.data, Path(folder), args.threads)
            found = run_one(job, driver, sys.executable)
            told.append(
                {
                    "axis": point.axis,
                    "size": point.size,
                    "seconds": seconds_per_step(found, "wall"),
                    "bytes": max(found["peak_bytes"] - found["loaded_bytes"], 1),
                }
            )
    args.results.mkdir(parents=True, exist_ok=True)
    result = {"processor": processor(), "threads": args.threads, "points": told}
    (args.results / "growth.json").write_text(json.dumps(result, indent=1) + "\n")
    print(markdown(told))


if __name__ == "__main__":
    main()
