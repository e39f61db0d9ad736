"""``preftune compare`` as people and programs call it."""

from pathlib import Path

from tests.cli.command import preftune
from tests.reports.test_methods import methods_run

JUDGED = {"sft": 0.6, "ppo": 0.7, "dpo": 0.65}


def test_people_see_a_table_and_where_the_page_is(tmp_path: Path) -> None:
    runs = [methods_run(tmp_path / f"s{seed}", seed, JUDGED) for seed in (0, 1)]
    page, table = tmp_path / "out.html", tmp_path / "out.md"
    done = preftune("compare", *runs, "--out", page, "--markdown", table)
    assert done.code == 0, done.err
    assert "2 PPO" in done.out and str(page) in done.out
    assert page.read_text().startswith("<!doctype html>")
    assert table.read_text().startswith("| method | win rate | gold |")


def test_programs_get_one_object(tmp_path: Path) -> None:
    runs = [methods_run(tmp_path / f"s{seed}", seed, JUDGED) for seed in (0, 1)]
    done = preftune("compare", *runs, "--json")
    assert done.code == 0, done.err
    ppo = next(row for row in done.json["methods"] if row["method"] == "ppo")
    assert ppo["seeds"] == [0, 1] and ppo["over"] == "seeds"
    assert set(ppo["judge"]) == {"value", "low", "high", "count"} and ppo["judge"]["count"] == 2
    assert done.json["against"] == "sft" and done.json["written"] == []


def test_a_folder_that_is_no_run_is_said_so(tmp_path: Path) -> None:
    done = preftune("compare", tmp_path / "nowhere", "--json")
    assert done.code == 2
    assert done.error["sentence"] == "There is no such folder."
    assert done.error["file"] == str(tmp_path / "nowhere")
    assert preftune("compare").code == 2
