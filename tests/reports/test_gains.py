"""Gain curves from run folders: known α and β come back, and a run past its peak is told so."""

import math
from pathlib import Path

import pytest

from preftune.records import BadInput
from preftune.reports.gains import gain_table
from tests.reports.folders import Row, write_json, write_lines, write_recipe, write_stage

ALPHA, BETA = 0.30, 0.12
PEAK = math.exp(ALPHA / BETA - 1)


def rl_gain(d: float, alpha: float = ALPHA, beta: float = BETA) -> float:
    return d * (alpha - beta * math.log(d)) if d > 0 else 0.0


def watched_run(run: Path, distances: list[float], alpha: float = ALPHA, wobble: float = 0) -> Path:
    """A PPO stage whose judge follows the RL curve; a row's KL is that of the row before."""
    write_recipe(run, ["ppo"])
    folder = write_stage(run, 1, "ppo", 10.0)
    lines: list[Row] = [{"step": 0, "judge/score": 0.5}]
    for step, d in enumerate([0.0, *distances], 1):
        row: Row = {"step": step, "objective/kl": d * d, "proxy/score": 0.1 * step}
        if step <= len(distances):
            after = distances[step - 1]
            row["judge/score"] = 0.5 + rl_gain(after, alpha) + wobble * (-1) ** step
        lines.append(row)
    write_lines(folder / "metrics.jsonl", lines)
    return run


def test_the_curve_that_made_the_history_is_found(tmp_path: Path) -> None:
    distances = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    [curve] = gain_table([watched_run(tmp_path / "run", distances)]).curves
    assert [point.distance for point in curve.points] == pytest.approx([0.0, *distances])
    gains = [0.0, *map(rl_gain, distances)]
    assert [point.judge_gain for point in curve.points] == pytest.approx(gains)
    assert [point.proxy_gain for point in curve.points] == pytest.approx(
        [0.0, *(0.1 * (step + 1) for step in range(len(distances)))]
    )
    found = curve.as_json()
    assert found["best"] == "reinforcement" and found["reason"] is None
    best = found["fits"][0]
    assert best["alpha"]["value"] == pytest.approx(ALPHA)
    assert best["beta"]["value"] == pytest.approx(BETA)
    assert best["peak_distance"]["value"] == pytest.approx(PEAK)
    assert best["peak_gain"]["value"] == pytest.approx(BETA * PEAK)
    assert best["past_peak"]["value"] == pytest.approx(7 / PEAK)
    assert best["lost"]["value"] == pytest.approx(BETA * PEAK - rl_gain(7))
    assert sum(fit["weight"] for fit in found["fits"]) == pytest.approx(1)


def test_over_runs_is_the_mean_of_their_fits(tmp_path: Path) -> None:
    distances = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0]
    runs = [watched_run(tmp_path / f"{a}", distances, a) for a in (0.28, 0.32)]
    over = gain_table(runs).over_runs["ppo"]
    assert over["alpha"].value == pytest.approx(0.30) and over["alpha"].count == 2
    assert over["alpha"].low < 0.28 < 0.32 < over["alpha"].high
    assert over["beta"].value == pytest.approx(BETA)


def test_a_best_of_n_curve_is_measured_from_its_first_point(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_recipe(run, ["evaluation"])
    folder = write_stage(run, 1, "evaluation", 1.0)
    ns = [1, 2, 4, 8, 16, 32, 64]
    curve = []
    for n in ns:
        kl = math.log(n) - (n - 1) / n
        gold = 0.6 + math.sqrt(kl) * (0.2 - 0.05 * math.sqrt(kl))
        curve.append({"n": n, "kl": kl, "proxy": {"value": kl}, "judge": {"value": gold}})
    write_json(folder / "summary.json", {"best_of": {"n": 64, "curve": curve}})
    [found] = gain_table([run]).curves
    assert found.source == "best_of_n" and [point.step for point in found.points] == ns
    [fit] = [fit for fit in found.as_json()["fits"] if fit["shape"] == "best_of_n"]
    assert fit["alpha"]["value"] == pytest.approx(0.2)
    assert fit["peak_distance"]["value"] == pytest.approx(0.2 / (2 * 0.05))


def test_too_few_points_are_said_and_nothing_is_made_up(tmp_path: Path) -> None:
    [curve] = gain_table([watched_run(tmp_path / "run", [1.0, 2.0])]).curves
    assert curve.fits is None and "more different distances" in curve.reason
    assert curve.as_json()["fits"] == []


def test_runs_without_a_judge_are_refused(tmp_path: Path) -> None:
    write_recipe(tmp_path / "run", ["ppo"])
    write_stage(tmp_path / "run", 1, "ppo", 1.0)
    with pytest.raises(BadInput, match="measured a judge"):
        gain_table([tmp_path / "run"])
    with pytest.raises(BadInput, match="measured a judge"):
        gain_table([watched_run(tmp_path / "other", [1.0, 2.0])], stage="grpo")
