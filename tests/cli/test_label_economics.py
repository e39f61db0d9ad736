"""``preftune label economics``: the numbers of the closed forms, in points and money."""

import json
from pathlib import Path

import numpy as np
import pytest

from preftune.stats import comparisons_for_width
from tests.cli.command import preftune


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """80 pairs on as many prompts, three independent voters right 80 % of the time."""
    rng = np.random.default_rng(0)
    rows = []
    for item in range(80):
        better, right = rng.integers(2), rng.random(3) < 0.8
        said = [
            {"annotator": f"w{r}", "vote": "ab"[better if right[r] else 1 - better]}
            for r in range(3)
        ]
        rows.append({"prompt": f"p{item}", "response_a": "x", "response_b": "y", "votes": said})
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_precision_raters_and_money(votes: Path) -> None:
    done = preftune(
        "label", "economics", votes, "--cost-per-label", "0.5", "--half-width", "0.03", "--json"
    )
    assert done.code == 0, done.err
    found = done.json
    assert found["labels"] == 240 and found["spent"] == pytest.approx(120)
    assert found["design_effect"] == pytest.approx(1.0)
    wanted = found["for_half_width"]
    assert wanted["comparisons"] == comparisons_for_width(0.03, design_effect=1.0)
    assert wanted["cost"] == pytest.approx(wanted["comparisons"] / 2)
    raters = found["raters"]
    rows = [json.loads(line)["votes"] for line in votes.read_text().splitlines()]
    for_a = np.array([sum(vote["vote"] == "a" for vote in row) for row in rows])
    agreement = np.mean(np.where(np.isin(for_a, (0, 3)), 1, 1 / 3))
    q = raters["accuracy"]
    assert q**2 + (1 - q) ** 2 == pytest.approx(agreement)
    assert raters["majority_accuracy"]["3"] == pytest.approx(q**3 + 3 * q * q * (1 - q))
    assert found["next"]["raters"] == 1 and found["next"]["items"] == 1000
    assert "learning_curve" not in found
    assert "majority of 3" in preftune("label", "economics", votes, "--cost-per-label", "1").out


def test_the_next_thousand(votes: Path, tmp_path: Path) -> None:
    curve = tmp_path / "curve.jsonl"
    lines = []
    for labels in (250, 500, 1000, 2000, 4000):
        value = 0.8 - 2 * labels**-0.4
        interval = {"value": value, "low": value - 0.004, "high": value + 0.004, "count": 500}
        lines.append(json.dumps({"labels": labels, "accuracy": interval}))
    curve.write_text("\n".join(lines))
    words = ("label", "economics", votes, "--cost-per-label", "0.67", "--curve", curve)
    fit = preftune(*words, "--json").json["learning_curve"]
    assert fit["gain"]["value"] == pytest.approx(2 * (4000**-0.4 - 5000**-0.4), rel=0.15)
    assert fit["cost"] == pytest.approx(670)
    assert fit["cost_per_point"]["value"] == pytest.approx(6.7 / fit["gain"]["value"])
    curve.write_text('{"labels": 5}\n')
    wrong = preftune(*words, "--json")
    assert wrong.code == 2 and "learning curve" in wrong.error["sentence"]
