"""The strip of guards: one moment an iteration, with the reason where a guard spoke."""

from pathlib import Path

from preftune.reports.guard_history import guard_history
from preftune.reports.reading import read_run
from tests.reports.folders import write_json, write_lines, write_recipe, write_stage


def test_levels_become_moments(tmp_path: Path) -> None:
    write_recipe(tmp_path, ["ppo"])
    folder = write_stage(tmp_path, 1, "ppo", 1.0)
    levels = [0, 0, 1, 1, 2]
    rows = [
        {"step": step, "guards/score_range": level, "guards/kl": 0}
        for step, level in enumerate(levels, 1)
    ]
    write_lines(folder / "metrics.jsonl", [{"step": 0, "judge/score": 0.5}, *rows])
    told = [{"guard": "score_range", "step": 3, "level": "warn", "reason": "3.4 deviations."}]
    write_json(folder / "summary.json", {"guards": told})
    found = guard_history(read_run(tmp_path).stages[0])
    assert found is not None and (found.first, found.last) == (1, 5)
    [(name, moments)] = found.strips
    assert name == "score range" and found.quiet == ("kl",)
    assert [moment.look for moment in moments] == ["ok", "ok", "warn", "warn", "halt"]
    assert moments[2].told == "score range, iteration 3: warn. 3.4 deviations."
    assert [row[1] for row in found.data.body] == levels


def test_a_stage_without_guards_has_none(tmp_path: Path) -> None:
    write_recipe(tmp_path, ["ppo"])
    folder = write_stage(tmp_path, 1, "ppo", 1.0)
    write_lines(folder / "metrics.jsonl", [{"step": 1, "objective/kl": 0.5}])
    assert guard_history(read_run(tmp_path).stages[0]) is None
