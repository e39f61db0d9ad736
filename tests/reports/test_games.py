"""Games between policies from samples: who met, who won, and the same weights played once."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from preftune.records import BadInput
from preftune.reports.games import games_of_runs, meetings, standings_json
from tests.reports.folders import Row, write_lines, write_recipe, write_stage


def judged_run(run: Path, scores: Mapping[str, list[float]], versions: Mapping[str, str]) -> Path:
    """An evaluate stage whose policies got these scores on prompts p0, p1, …"""
    write_recipe(run, ["evaluation"])
    folder = write_stage(run, 1, "evaluation", 1.0)
    rows: list[Row] = []
    for place in range(len(next(iter(scores.values())))):
        answers = [
            {
                "policy": name,
                "policy_version": versions.get(name, name),
                "text": "word " * (place + 1),
                "scores": {"judge": given[place]},
            }
            for name, given in scores.items()
        ]
        rows.append({"id": f"p{place}", "prompt": "x", "samples": answers})
    write_lines(folder / "samples.jsonl", rows)
    return run


def test_every_pair_meets_on_every_prompt(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "one", {"sft": [0.1, 0.5, 0.5], "ppo": [0.9, 0.5, 0.4]}, {})
    games = games_of_runs([run])
    assert list(zip(games.first, games.second, games.outcomes, strict=True)) == [
        ("ppo", "sft", 1.0),
        ("ppo", "sft", 0.5),
        ("ppo", "sft", 0.0),
    ]
    assert games_of_runs([run], tie_width=0.1).outcomes == [1.0, 0.5, 0.5]
    [met] = meetings(games)
    assert met.win_rate.value == 0.5 and met.win_rate.count == 3
    assert met.length_controlled_win_rate == met.win_rate, "all texts are of one length"


def test_the_same_weights_of_two_runs_play_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    level = rng.normal(size=60)
    one = judged_run(
        tmp_path / "one",
        {"sft": level.tolist(), "ppo": (level + 1 + rng.normal(size=60)).tolist()},
        {"sft": "same", "ppo": "a"},
    )
    two = judged_run(
        tmp_path / "two",
        {"sft": level.tolist(), "ppo": (level + 2 + rng.normal(size=60)).tolist()},
        {"sft": "same", "ppo": "b"},
    )
    found = standings_json(games_of_runs([one, two]), rng=np.random.default_rng(0))
    assert [row["name"] for row in found["standings"]] == ["two/ppo", "one/ppo", "one/sft"]
    assert found["games"] == 3 * 60 and found["prompts"] == 60
    best = found["standings"][0]
    assert best["wins"] + best["ties"] + best["losses"] == 120
    assert np.mean([row["rating"]["value"] for row in found["standings"]]) == pytest.approx(1000)
    direct = next(
        m for m in found["meetings"] if {m["first"], m["second"]} == {"one/sft", "two/ppo"}
    )
    assert direct["win_rate"]["value"] < 0.2, "sft against the second run's ppo"


def test_nobody_met(tmp_path: Path) -> None:
    run = judged_run(tmp_path / "one", {"sft": [0.1]}, {})
    with pytest.raises(BadInput, match="No two policies"):
        games_of_runs([run])
    with pytest.raises(BadInput, match="'proxy'"):
        games_of_runs([judged_run(tmp_path / "two", {"a": [1.0], "b": [2.0]}, {})], by="proxy")
