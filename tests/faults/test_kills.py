"""Killed at any moment, the same command again ends where an undisturbed run ends, bit by bit."""

import json
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from preftune.artifacts import FAILPOINTS, RunLock, read_manifest
from preftune.artifacts.failpoints import VARIABLE
from preftune.artifacts.hashing import derive_seed
from tests.faults.children import INTERVALS, RECIPE, finish, metric_steps, start, steps

STAGES = ("world", "base", "sft", "candidates", "labels", "reward", "ppo")
SEEDS = {str(derive_seed(0, name)): name for name in STAGES}
PLACES = (
    "metrics.before_append:9",
    "checkpoint.before_write:2",
    "checkpoint.before_rename:4",
    "checkpoint.after_rename:7",
    "stage.before_manifest:3",
    "stage.before_publish:7",
    "stage.after_publish:2",
    "run.before_summary:1",
    "step.after_update:28",
)


@dataclass(frozen=True)
class Whole:
    """An undisturbed run: its recipe, what it made, and the optimizer steps it took."""

    recipe: Path
    out: Path
    steps: Counter[str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    log = folder / "log"
    assert finish(start(recipe, folder / "run", log, {})) == 0, log.with_suffix(".err").read_text()
    return Whole(recipe, folder / "run", steps(log))


def made(out: Path) -> dict[str, dict[str, str]]:
    """Content hashes of every stage's outputs and metrics."""
    return {
        folder.name: {name: item["sha256"] for name, item in read_manifest(folder).outputs.items()}
        for folder in sorted((out / "stages").iterdir())
    }


def check_same(whole: Whole, out: Path, *logs: Path) -> Counter[str]:
    """Asserts the run in ``out`` ended like the undisturbed one; returns the steps redone."""
    assert made(out) == made(whole.out)
    assert metric_steps(out) == metric_steps(whole.out)
    for name in metric_steps(out):
        ours, theirs = (run / "stages" / name / "metrics.jsonl" for run in (out, whole.out))
        assert ours.read_bytes() == theirs.read_bytes()
    assert json.loads((out / "summary.json").read_text())["status"] == "done"
    assert (out / "report.html").exists()
    assert not list(out.rglob("*.partial")) and not list(out.rglob("checkpoints"))
    taken = steps(*logs)
    assert taken.keys() == whole.steps.keys(), "no step was left out"
    assert set(taken.values()) <= {1, 2}
    redone = Counter(SEEDS[step.split()[0]] for step, times in taken.items() if times > 1)
    assert all(count <= INTERVALS[name] for name, count in redone.items()), redone
    assert len(redone) <= 1, "only the stage that was stopped goes back"
    return redone


def test_the_places_are_all_there_are() -> None:
    """Those of the label store are tested where it is: tests/feedback/store."""
    of_runs = {name for name in FAILPOINTS if not name.startswith(("judgment.", "export."))}
    assert {place.partition(":")[0] for place in PLACES} == of_runs


def test_an_undisturbed_run_takes_no_step_twice(whole: Whole) -> None:
    assert set(whole.steps.values()) == {1}
    assert {SEEDS[step.split()[0]] for step in whole.steps} == set(INTERVALS)
    for name, found in metric_steps(whole.out).items():
        assert found == sorted(set(found)), name


@pytest.mark.parametrize("place", PLACES)
def test_killed_at_a_named_place(place: str, whole: Whole, tmp_path: Path) -> None:
    out, before, after = tmp_path / "run", tmp_path / "before", tmp_path / "after"
    assert finish(start(whole.recipe, out, before, {VARIABLE: place})) == -signal.SIGKILL
    assert steps(before).total() < whole.steps.total() or place.startswith(("stage", "run"))
    assert finish(start(whole.recipe, out, after, {})) == 0
    redone = check_same(whole, out, before, after)
    if place.startswith(("stage.before_publish", "stage.after_publish", "run.")):
        assert not redone, "what is written whole is never done again"


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_and_again(seed: int, whole: Whole, tmp_path: Path) -> None:
    """Twice, at any optimizer step; then it is left alone."""
    rng = random.Random(seed)
    out, logs = tmp_path / "run", [tmp_path / name for name in ("a", "b", "c")]
    total = whole.steps.total()
    first = rng.randrange(1, total // 2)
    for log, count in zip(logs, (first, rng.randrange(1, total // 3)), strict=False):
        killed = {VARIABLE: f"step.after_update:{count}"}
        assert finish(start(whole.recipe, out, log, killed)) == -signal.SIGKILL
    assert finish(start(whole.recipe, out, logs[2], {})) == 0
    assert made(out) == made(whole.out) and metric_steps(out) == metric_steps(whole.out)
    for pair in (logs[:2], logs[1:]):
        both = Counter(SEEDS[step.split()[0]] for step in steps(pair[0]) & steps(pair[1]))
        assert all(count <= INTERVALS[name] for name, count in both.items()), both


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(40))
def test_killed_at_any_moment(seed: int, whole: Whole, tmp_path: Path) -> None:
    out, before, after = tmp_path / "run", tmp_path / "before", tmp_path / "after"
    child = start(whole.recipe, out, before, {})
    time.sleep(random.Random(seed).uniform(0.1, 6))
    child.kill()
    assert finish(child) in (0, -signal.SIGKILL)
    assert finish(start(whole.recipe, out, after, {})) == 0
    check_same(whole, out, before, after)


@pytest.mark.proof
def test_fifty_kills(whole: Whole, tmp_path: Path) -> None:
    """kill -9 at random moments of a seven-stage run, again and again, until 50 have struck.

    A run that survives to its end must be the undisturbed one, byte by byte; then another begins.
    Moments are drawn over the time that an undisturbed run takes here.
    """
    rng, log = random.Random(50), tmp_path / "log"
    began = time.monotonic()
    assert finish(start(whole.recipe, tmp_path / "clock", log, {})) == 0
    usual = time.monotonic() - began
    kills = runs = 0
    while kills < 50:
        out = tmp_path / f"run-{runs}"
        while True:
            child = start(whole.recipe, out, log, {})
            child.join(rng.uniform(0.0, usual) if kills < 50 else None)
            child.kill()
            if finish(child) == 0:
                break
            kills += 1
        runs += 1
        assert made(out) == made(whole.out)
        for name in metric_steps(out):
            ours, theirs = (r / "stages" / name / "metrics.jsonl" for r in (out, whole.out))
            assert ours.read_bytes() == theirs.read_bytes()
        assert json.loads((out / "summary.json").read_text())["status"] == "done"
        assert not list(out.rglob("*.partial")) and not list(out.rglob("checkpoints"))
        shutil.rmtree(out)
    assert kills == 50 and runs >= 2


def test_a_second_process_refuses(whole: Whole, tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    with RunLock(out):
        assert finish(start(whole.recipe, out, log, {})) == 1
        said = log.with_suffix(".err").read_text()
        assert "Traceback" not in said and "process" in said
        assert not (out / "stages").exists() and not steps(log)
    assert not (out / "summary.json").exists()
