"""Soups against mixtures of the two policies they are made of, from finished runs.

    python -m benchmarks.soups RUN … --ends preferred ruled

Each run has ``soup`` stages of two policies and an ``evaluate`` stage over all of them. A mixture
with the soup's weights answers each prompt with one of the two policies, so each of its axes is the
weighted mean of theirs. Soup less mixture, mean over runs with a 95 % interval.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preftune.stats import mean_estimate

AXES = ("gold", "helpfulness", "honesty", "conciseness", "flattery")


def soups_of(run: Path, ends: tuple[str, str]) -> dict[str, float]:
    """The share of the first end in each soup stage of a run that is made of these two."""
    stages = json.loads((run / "recipe.json").read_text(encoding="utf-8"))["stages"]
    found = {}
    for name, settings in stages.items():
        if settings["kind"] == "soup" and set(settings["policies"]) == set(ends):
            weights = [float(settings["weights"][end]) for end in ends]
            found[name] = weights[0] / sum(weights)
    return found


def axes_of(run: Path, stage: str) -> dict[str, Mapping[str, float]]:
    """Each policy's mean of each axis, from an ``evaluate`` stage."""
    (place,) = (run / "stages").glob(f"*-{stage}/summary.json")
    policies = json.loads(place.read_text(encoding="utf-8"))["policies"]
    return {
        name: {axis: told["axes"][axis]["value"] for axis in AXES}
        for name, told in policies.items()
    }


def compared(runs: Sequence[Path], ends: tuple[str, str], stage: str) -> dict[str, Any]:
    """Of each soup and axis: the soup's mean, the mixture's, and the difference over the runs."""
    found: dict[str, Any] = {}
    measured = [axes_of(run, stage) for run in runs]
    for soup, share in soups_of(runs[0], ends).items():
        for axis in AXES:
            soups = [each[soup][axis] for each in measured]
            mixed = [
                share * each[ends[0]][axis] + (1 - share) * each[ends[1]][axis] for each in measured
            ]
            gaps = [a - b for a, b in zip(soups, mixed, strict=True)]
            found.setdefault(soup, {"share": share})[axis] = {
                "soup": sum(soups) / len(soups),
                "mixture": sum(mixed) / len(mixed),
                "difference": mean_estimate(gaps, list(range(len(gaps)))).as_json(),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--ends", nargs=2, required=True, metavar="POLICY")
    parser.add_argument("--stage", default="evaluation")
    given = parser.parse_args()
    found = compared(given.runs, (given.ends[0], given.ends[1]), given.stage)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
