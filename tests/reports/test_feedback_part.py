"""Labels, audits, rounds and lineage as a report tells them."""

from pathlib import Path

from preftune.reports.feedback_part import (
    audit_tables,
    labels_table,
    lineage_text,
    rounds_picture,
    rounds_table,
)
from preftune.reports.page import write_report
from preftune.reports.reading import read_run
from tests.reports.folders import estimate, whole_run, write_json, write_stage

STAGES = {
    "said": {"kind": "people", "project": "round_1"},
    "audit": {"kind": "audit"},
    "promote_1": {"kind": "promote", "candidate": "stage:ppo_1", "incumbent": "stage:sft"},
    "promote_2": {"kind": "promote", "candidate": "stage:ppo_2", "incumbent": "stage:promote_1"},
}


def rounds_run(run: Path) -> Path:
    write_json(run / "recipe.json", {"title": "Rounds", "seed": 1, "stages": STAGES})
    for number, name in enumerate(STAGES, 1):
        folder = write_stage(run, number, name, 1.0)
        write_json(folder / "summary.json", SUMMARIES[name])
    told = [{"name": n, "kind": s["kind"], "status": "done"} for n, s in STAGES.items()]
    write_json(run / "summary.json", {"status": "done", "stages": told})
    return run


def promotion(value: float, passed: bool) -> dict[str, object]:
    check = {
        "metric": "win rate of after against before",
        "value": estimate(value, 0.05, 100),
        "sentence": f"win rate is {value}",
        "passed": passed,
        "threshold": 0.5,
    }
    return {"promoted": passed, "passed": passed, "checks": [check]}


SUMMARIES = {
    "said": {
        "project": "round_1",
        "train_pairs": 80,
        "validation_pairs": 10,
        "test_pairs": 10,
        "agreement": estimate(0.73, 0.04, 100),
    },
    "audit": {
        "biases": ["flattery"],
        "effects": [
            {"name": "lists", "kind": "probe", "named": False, "effect": estimate(0.0, 0.1, 9)},
            {
                "name": "flattery",
                "kind": "probe",
                "named": True,
                "effect": estimate(0.8, 0.1, 9),
                "sentence": "Flattery pays.",
            },
        ],
    },
    "promote_1": promotion(0.61, True),
    "promote_2": promotion(0.48, False),
}


def test_labels_audits_and_rounds_are_told(tmp_path: Path) -> None:
    run = read_run(rounds_run(tmp_path))
    labels = labels_table(run)
    assert labels is not None
    assert labels.body[0][:3] == ("said", "people, project round_1", "80 / 10 / 10")
    assert labels.body[0][3].startswith("73")
    [audit] = audit_tables(run)
    assert audit.caption == "Audit audit: flattery named"
    assert [row[0] for row in audit.body] == ["flattery", "lists"]
    assert audit.body[0][2:] == ("0.80 (0.70 to 0.90)", "named", "Flattery pays.")
    rounds = rounds_table(run)
    assert rounds is not None
    assert [row[1:4] for row in rounds.body] == [
        ("ppo_1", "sft", "promoted"),
        ("ppo_2", "promote_1", "rolled back"),
    ]
    picture = rounds_picture(run)
    assert picture is not None and picture.data is not None
    assert [row[:2] for row in picture.data.body] == [("promote_1", 0.61), ("promote_2", 0.48)]


def test_the_page_has_their_parts(tmp_path: Path) -> None:
    page = write_report(rounds_run(tmp_path)).read_text(encoding="utf-8")
    for place in ('id="labels"', 'id="rounds"', 'id="lineage"', "rolled back", "Flattery pays."):
        assert place in page
    assert lineage_text(read_run(tmp_path)).startswith("promote_2/model [")


def test_a_run_without_them_has_none(tmp_path: Path) -> None:
    run = read_run(whole_run(tmp_path))
    assert rounds_table(run) is None and rounds_picture(run) is None and audit_tables(run) == []
    labels = labels_table(run)
    assert labels is not None and labels.body[0][1] == "simulated, varied"
