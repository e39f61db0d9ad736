"""The arms, their summary by hand, and the command itself at a small scale."""

import json
from pathlib import Path

import numpy as np
import pytest

from examples.christiano2017.__main__ import main
from examples.christiano2017.experiment import Settings
from examples.christiano2017.study import RANDOM, TRUE, arms, picture, summarise, table

FINALS = {
    TRUE: [-100.0, -200.0],
    "40 labels, by disagreement": [-300.0, -400.0],
    "40 labels, random queries": [-700.0, -600.0],
}


def test_arms() -> None:
    found = arms(Settings(), (40, 300))
    assert [arm.name for arm in found] == [
        TRUE,
        "40 labels, by disagreement",
        "40 labels, random queries",
        "300 labels, by disagreement",
        "300 labels, random queries",
    ]
    assert len({arm.stem for arm in found}) == 5
    assert [arm.random_share for arm in found] == [0, 0.1, 1, 0.1, 1]


def test_summary_by_hand() -> None:
    """From −1,150 to −150 is the whole gap; −350 closes .8 of it. The differences by seed are 400
    and 200, standard error 100, t(.975, 1) = 12.7062."""
    summary = summarise(FINALS, untrained=-1150.0)
    assert summary[RANDOM] == {"return": -1150.0}
    assert summary[TRUE]["gap_closed"] == 1
    disputed = summary["40 labels, by disagreement"]
    assert disputed["gap_closed"] == pytest.approx(0.8)
    assert disputed["minus_random_queries"] == pytest.approx(
        {"value": 300, "low": 300 - 1270.62, "high": 300 + 1270.62, "count": 2}, abs=0.01
    )
    assert "minus_random_queries" not in summary["40 labels, random queries"]
    lines = table(summary).split("\n")
    assert len(lines) == 4 and "gap closed 0.80" in lines[2]
    assert "minus random queries 300 (-971 to 1571)" in lines[2]


def test_the_picture_shows_means_against_episodes() -> None:
    figure = picture({"a": [[1.0, 2.0], [3.0, 6.0]]}, pendulums=16)
    (line,) = figure.axes[0].lines
    assert np.asarray(line.get_xdata()).tolist() == [16, 32]
    assert np.asarray(line.get_ydata()).tolist() == [2.0, 4.0]


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--labels", "12", "--iterations", "1", "--test-episodes", "2"]
    out = ["--out", str(tmp_path)]
    main(["study", *small, *out, "--seeds", "1", "2"])
    shown = capsys.readouterr().out
    assert shown.count("\n") == 4 and "12 labels, by disagreement" in shown
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(made) == 3 * 2 + 2 and made["curves.svg"].startswith(b"<?xml")
    run = json.loads(made["12-labels-by-disagreement-seed-2.json"])
    assert len(run["returns"]) == 1 and run["labels"] == [3]

    poisoned = tmp_path / "true-rewards-seed-1.json"
    poisoned.write_text(json.dumps(json.loads(poisoned.read_text()) | {"final_return": 5.0}))
    main(["study", *small, *out, "--seeds", "1", "2"])
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary[TRUE]["seeds"][0] == 5.0, "what is there is not run again"

    with pytest.raises(SystemExit, match="no answer to any of the first 0 questions.*more labels"):
        main(["run", "--labels", "1", *small[2:]])
    main(["run", *small, "--seed", "2"])
    said = capsys.readouterr().out.strip().rpartition(" ")[2]
    assert float(said) == round(run["final_return"])
