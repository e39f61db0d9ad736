from dataclasses import replace
from pathlib import Path

from preftune.reports import read_run
from preftune.reports.evidence import measured
from preftune.reports.tables import (
    MOST_FACTS,
    facts,
    files_table,
    manifest_facts,
    openers,
    principles_table,
    settings_text,
    slice_tables,
    style_table,
)
from tests.reports.folders import hash_of, whole_run

S = "\u202f"


def test_style_goes_down_and_policies_across(tmp_path: Path) -> None:
    (seen,) = measured(read_run(whole_run(tmp_path)))
    table = style_table(seen)
    assert table is not None
    assert table.head == ("", "base", "SFT", "PPO")
    rows = {row[0]: row[1:] for row in table.body}
    assert rows["words an answer"] == ("17.2 (16.7–17.7)", "11.8 (11.3–12.3)", "10.9 (10.4–11.4)")
    assert rows["distinct word pairs"] == (f"52{S}%", f"44{S}%", f"39{S}%")
    assert rows["KL to the reference, nats a response"][0] == "–"
    assert rows["helpfulness"][2] == "0.79 (0.77–0.81)"
    assert "gold" not in rows and "empty" not in rows
    assert openers(seen)[2] == (
        "PPO",
        [("Your order was", f"31{S}%"), ("It was sent", f"22{S}%"), ("I am sorry", f"7{S}%")],
    )


def test_principles_stand_beside_what_they_did(tmp_path: Path) -> None:
    stage = read_run(whole_run(tmp_path)).stages[0]
    assert principles_table(stage) is None
    summary = {
        "constitution": {"name": "mine", "version": 2, "sha256": "ab" * 32},
        "principles": {"harm": {"used": 9, "decided": 4}, "truth": {"used": 3, "decided": 0}},
    }
    table = principles_table(replace(stage, summary=summary))
    assert table is not None
    assert table.caption == f"{stage.name}: constitution mine, version 2 ({'ab' * 8})"
    assert table.head == ("principle", "used", "decided")
    assert table.body == (("harm", "9", "4"), ("truth", "3", "0"))


def test_slices_are_sorted_from_the_weakest(tmp_path: Path) -> None:
    (seen,) = measured(read_run(whole_run(tmp_path)))
    table = slice_tables(seen)[0]
    assert (table.column, table.left_out) == ("chosen length", "")
    assert [row.value for row in table.rows] == ["shorter", "equal", "longer"]
    first = table.rows[0]
    assert (first.accuracy, first.count) == (f"72{S}% (68–76)", "401")
    assert (round(first.left), round(first.right), round(first.middle)) == (68, 76, 72)


def test_values_of_few_prompts_are_counted_only(tmp_path: Path) -> None:
    (seen,) = measured(read_run(whole_run(tmp_path)))
    few = {str(n): {"value": 0.5, "low": 0.1, "high": 0.9, "count": n} for n in range(1, 8)}
    told = {"claimed": few, "rare": {key: few[key] for key in "1234"}}
    (claimed,) = slice_tables(replace(seen, reward_model={"slices": told}))
    assert [row.value for row in claimed.rows] == ["5", "6", "7"]
    assert claimed.left_out == "4 more, of fewer than 5 prompts each"


def test_other_stages_show_their_facts(tmp_path: Path) -> None:
    run = read_run(whole_run(tmp_path))
    stage = run.stages[1]
    assert facts(stage) == [
        ("parameters", "1,132,416"),
        ("steps", "500"),
        ("validation loss", "1.95"),
    ]
    nested = {"a": {"b_c": True, "d": None}, "e": [1, 2], "f": list(range(99)), "g": {"value": 0.5}}
    assert facts(replace(stage, summary=nested)) == [
        ("a / b c", "yes"),
        ("a / d", "–"),
        ("e", "1, 2"),
        ("f", "99 entries"),
        ("g", "0.50"),
    ]
    many = facts(replace(stage, summary={f"k{i}": i for i in range(MOST_FACTS + 5)}))
    assert many[-1] == ("and", "5 more in summary.json")


def test_manifests_show_versions_and_hashes(tmp_path: Path) -> None:
    stage = read_run(whole_run(tmp_path)).stages[6]
    assert stage.manifest is not None
    told = dict(manifest_facts(stage.manifest))
    assert told["packages"] == "numpy 2.0.1, torch 2.13.0"
    assert told["seed"] == "17" and told["identity"] == hash_of("ppo")
    table = files_table(stage.manifest)
    assert table is not None
    assert ("out", "model", "model", hash_of("modelppo")[:16]) in table.body
    assert ("in", "input", "stages/reward", hash_of("reward")[:16]) in table.body
    assert '"reward_model": "stage:reward"' in settings_text(stage.settings)
