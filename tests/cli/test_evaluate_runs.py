"""``evaluate overoptimization``, ``standings`` and ``ratings``, for people and programs."""

from pathlib import Path

import pytest

from tests.cli.command import preftune
from tests.pipeline.test_rated import ratings
from tests.reports.test_gains import PEAK, watched_run
from tests.reports.test_games import judged_run


def test_the_peak_is_told(tmp_path: Path) -> None:
    run = watched_run(tmp_path / "run", [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    [curve] = preftune("evaluate", "overoptimization", run, "--json").json["curves"]
    assert curve["fits"][0]["peak_distance"]["value"] == pytest.approx(PEAK)
    shown = preftune("evaluate", "overoptimization", run)
    assert shown.code == 0 and "d (α − β log d)" in shown.out and "AICc" in shown.out
    short = preftune("evaluate", "overoptimization", watched_run(tmp_path / "short", [1.0]))
    assert short.code == 0 and "no fit: " in short.out


def test_standings_are_told(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "run", {"sft": [0.0, 1.0] * 10, "ppo": [1.0, 0.8] * 10}, {})
    found = preftune("evaluate", "standings", run, "--json").json
    assert {row["name"] for row in found["standings"]} == {"sft", "ppo"}
    assert found["meetings"][0]["win_rate"]["value"] == 0.5
    assert "ppo against sft" in preftune("evaluate", "standings", run).out
    both = preftune("evaluate", "standings", run, "--games", run / "x.jsonl", "--json")
    assert both.code == 2 and "Give the folders" in both.error["sentence"]


def test_the_gap_is_told(tmp_path: Path) -> None:
    who = ("--policy", "ppo", "--start", "sft", "--reference", "human")
    given = ("evaluate", "ratings", ratings(tmp_path), "--axis", "overall", *who)
    found = preftune(*given, "--json").json
    assert found["share_closed"]["value"] == pytest.approx(0.5)
    assert set(found["means"]) == {"sft", "ppo", "human"}
    assert "share of the gap   50.0 %" in preftune(*given).out
