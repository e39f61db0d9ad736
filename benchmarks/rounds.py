"""Three rounds against one at equal KL to the first SFT model, from finished runs.

    python -m benchmarks.rounds RUN …

Each run of ``world/rounds`` has both arms, judged after every iteration. Gold at a KL is read off
an arm's curve by linear interpolation, after a mean over three iterations; the KL is the largest
that both arms of a run reached. Differences are over runs, with a 95 % interval.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judged import judged_rows, kl_of_models
from preftune.stats import mean_estimate

ARMS = {"rounds": ("round_1", "round_2", "round_3"), "one": ("one",)}
GOLD = "judge/score"


def curve(rows: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """KL and gold of the models of an arm, smoothed over three, in the order of the KL."""
    kl = np.array(kl_of_models(rows))
    gold = np.array([float(row[GOLD]) for row in rows])
    weights = np.ones(min(3, len(rows)))
    counts = np.convolve(np.ones(len(rows)), weights, mode="same")
    smooth = [np.convolve(values, weights, mode="same") / counts for values in (kl, gold)]
    order = np.argsort(smooth[0], kind="stable")
    return smooth[0][order], smooth[1][order]


def rows_of(run: Path, stages: Sequence[str]) -> list[Mapping[str, Any]]:
    """The judged rows of an arm's stages, one after the other; each later stage without its first,
    which judges the model that the stage before ended with."""
    found: list[Mapping[str, Any]] = []
    for stage in stages:
        rows = judged_rows(run, stage, GOLD)
        found += rows[1:] if found else rows
    return found


def compared(run: Path) -> dict[str, float]:
    """Gold of both arms at the largest KL both reached."""
    curves = {arm: curve(rows_of(run, stages)) for arm, stages in ARMS.items()}
    at = min(float(kl[-1]) for kl, _ in curves.values())
    gold = {arm: float(np.interp(at, *points)) for arm, points in curves.items()}
    ends = {f"{arm}_kl": float(kl[-1]) for arm, (kl, _) in curves.items()}
    return {"kl": at, **gold, "difference": gold["rounds"] - gold["one"], **ends}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rounds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path)
    runs = parser.parse_args().runs
    found = {str(run): compared(run) for run in runs}
    differences = [values["difference"] for values in found.values()]
    told = mean_estimate(differences, list(range(len(differences)))).as_json()
    print(json.dumps({"runs": found, "difference": told}, indent=1))


if __name__ == "__main__":
    main()
