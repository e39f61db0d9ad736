"""``preftune label`` and ``preftune simulate`` as a person uses them."""

import json
from pathlib import Path

import pytest

from preftune.worlds import world
from preftune.worlds.world import Sizes
from tests.cli.command import preftune, write_rows


def pairs_of_the_world(path: Path, count: int) -> Path:
    sizes = Sizes({"train": count}, demonstrations=1, demonstrations_validation=1, documents=1)
    prompts = world("helpdesk").make(sizes, 0).prompts["train"]
    rows = [
        {
            **dict(prompt.columns),
            "id": f"pair-{number}",
            "prompt": prompt.text,
            "response_a": "I do not know.",
            "response_b": "Sorry, I cannot say anything about your order today, my friend.",
        }
        for number, prompt in enumerate(prompts)
    ]
    return write_rows(path, *rows)


def test_from_a_file_to_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "labels.db"
    pairs = pairs_of_the_world(tmp_path / "pairs.jsonl", 6)
    settings = ("--set", "question.scale=4-grade", "--set", "gold_fraction=0")
    made = preftune("label", "init", store, "--project", "replies", "--overlap", "3", *settings)
    assert made.code == 0
    first = preftune("label", "import", store, "replies", pairs, "--json").json
    again = preftune("label", "import", store, "replies", pairs, "--json").json
    assert (first["added"], again["added"], again["known"]) == (6, 0, 6)

    monkeypatch.setenv("MY_LABELS", str(store))
    place = "env:MY_LABELS"
    done = preftune("simulate", place, "replies", "--annotators", "3", "--seed", "1", "--json").json
    assert {key: done[key] for key in ("annotators", "counted", "late", "surplus")} == {
        "annotators": 3,
        "counted": 18,
        "late": 0,
        "surplus": 0,
    }
    status = preftune("label", "status", place, "replies", "--json").json
    assert (status["items_done"], status["places_done"]) == (6, 18)
    assert {person["origin"] for person in status["annotators"]} == {"tool"}

    agreed = preftune("label", "agreement", place, "replies", "--json").json
    assert agreed["pool"] == "machine_machine"
    assert set(agreed["percent"]) == {"value", "low", "high", "count"}
    assert {"kappa", "alpha"} <= set(agreed)

    out = tmp_path / "rows.jsonl"
    written = preftune("label", "export", place, "replies", out, "--rows", "votes", "--json").json
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert written["rows"] == len(rows) == 6
    assert all(len(row["votes"]) == 3 for row in rows)
    assert preftune("label", "verify-audit", place, "--json").json["ok"] is True


def test_simulated_answers_depend_on_the_seed_alone(tmp_path: Path) -> None:
    pairs = pairs_of_the_world(tmp_path / "pairs.jsonl", 4)
    found = []
    for name in ("one.db", "two.db"):
        store = tmp_path / name
        preftune("label", "init", store, "--project", "replies", "--overlap", "2")
        preftune("label", "import", store, "replies", pairs)
        preftune("simulate", store, "replies", "--annotators", "2", "--seed", "5")
        folder = tmp_path / f"{name}.out"
        assert preftune("label", "export", store, "replies", folder).code == 0
        rows = [json.loads(x) for x in (folder / "judgments.jsonl").read_text().splitlines()]
        found.append(sorted(row["submission_id"] for row in rows))
    assert found[0] == found[1] and len(found[0]) == 8


@pytest.mark.parametrize(
    "arguments",
    [
        ("label", "status", "none.db", "replies"),
        ("label", "status", "env:NOT_SET_ANYWHERE", "replies"),
        ("label", "init", "STORE", "--project", "x", "--kind", "vibes"),
        ("label", "init", "STORE", "--project", "x", "--set", "question.colour=red"),
        ("label", "init", "STORE", "--project", "x", "--set", "colour=red"),
        ("label", "export", "STORE", "nothing", "out"),
        ("bench", "patience"),
    ],
)
def test_mistakes_are_told_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    preftune("label", "init", tmp_path / "labels.db")
    words = [str(tmp_path / "labels.db") if a == "STORE" else a for a in arguments]
    failed = preftune(*words, "--json")
    assert failed.code == 2
    assert failed.json["error"]["sentence"] and failed.json["error"]["remedy"]
