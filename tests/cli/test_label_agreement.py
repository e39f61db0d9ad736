"""``preftune label agreement FILE`` against scikit-learn and statsmodels on the same votes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.stats.inter_rater as inter_rater
from sklearn.metrics import cohen_kappa_score

from tests.cli.command import preftune

ANSWERS = ("a", "tie", "b")
PEOPLE = ("ann", "bob", "cem")


def votes_file(path: Path, table: np.ndarray, **extra: Any) -> Path:
    """60 rows on 20 prompts; people are of two groups, the last is a model if ``extra`` says so."""
    rows = []
    for item, said in enumerate(table):
        votes = [
            {"annotator": name, "vote": ANSWERS[int(code)], "group": "AB"[place // 2]}
            for place, (name, code) in enumerate(zip(PEOPLE, said, strict=True))
        ]
        if extra.get("machine"):
            votes[2]["origin"] = "model"
        rows.append(
            {
                "prompt": f"p{item // 3}",
                "response_a": "x",
                "response_b": "y",
                "model_a": "one",
                "model_b": "two",
                "votes": votes,
            }
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def table() -> np.ndarray:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    noisy = rng.integers(0, 3, (60, 3))
    return np.where(rng.random((60, 3)) < 0.6, truth[:, None], noisy)


def test_the_figures_are_the_libraries(tmp_path: Path, table: np.ndarray) -> None:
    done = preftune("label", "agreement", votes_file(tmp_path / "votes.jsonl", table), "--json")
    assert done.code == 0, done.err
    found = done.json
    counts = inter_rater.aggregate_raters(table)[0]
    assert found["kappa"]["value"] == pytest.approx(inter_rater.fleiss_kappa(counts))
    same = [np.mean(table[:, i] == table[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found["percent"]["value"] == pytest.approx(np.mean(same))
    assert found["percent"]["low"] < np.mean(same) < found["percent"]["high"]
    assert found["alpha"]["count"] == found["clusters"] == 20
    assert (found["rows"], found["votes"], found["annotators"]) == (60, 180, 3)
    pairs = {tuple(pair["annotators"]): pair["kappa"] for pair in found["annotator_pairs"]}
    assert pairs["ann", "cem"] == pytest.approx(cohen_kappa_score(table[:, 0], table[:, 2]))
    groups = {tuple(one["groups"]): one["percent"]["value"] for one in found["between_groups"]}
    assert groups["A", "A"] == pytest.approx(same[0])
    assert groups["A", "B"] == pytest.approx((same[1] + same[2]) / 2)
    assert found["measures"]["order"]["level"] == "ordinal"
    decided = found["measures"]["decided"]["human_human"]
    assert decided["percent"]["value"] > found["percent"]["value"]
    assert sum(found["dawid_skene"]["prevalence"].values()) == pytest.approx(1.0)
    assert [row["annotator"] for row in found["furthest_from_others"]]
    wins = np.sum(table == 0) - np.sum(table == 2)
    strengths = found["models"]["strengths"]
    assert strengths[0]["model"] == ("one" if wins > 0 else "two")


def test_machines_stand_apart(tmp_path: Path, table: np.ndarray) -> None:
    file = votes_file(tmp_path / "votes.jsonl", table, machine=True)
    choice = preftune("label", "agreement", file, "--json").json["measures"]["choice"]
    assert choice["human_human"]["pairs"] == 60 and choice["mixed"]["pairs"] == 120
    assert choice["human_human"]["percent"]["value"] == pytest.approx(
        np.mean(table[:, 0] == table[:, 1])
    )
    assert "machine_machine" not in choice


def test_people_see_a_table(tmp_path: Path, table: np.ndarray) -> None:
    done = preftune("label", "agreement", votes_file(tmp_path / "votes.jsonl", table))
    assert done.code == 0 and "decided" in done.out and "alpha" in done.out


def test_mistakes_are_named(tmp_path: Path, table: np.ndarray) -> None:
    file = votes_file(tmp_path / "votes.jsonl", table)
    wrong = preftune("label", "agreement", file, "--cluster", "debate", "--json")
    assert wrong.code == 2 and 'no column "debate"' in wrong.error["sentence"]
    single = json.loads(file.read_text().splitlines()[0])
    single["votes"] = single["votes"][:1]
    file.write_text(json.dumps(single) + "\n")
    alone = preftune("label", "agreement", file, "--json")
    assert alone.code == 2 and "two votes" in alone.error["sentence"]
