"""Every figure of a report leads back to the files: figures picked at random are recomputed from
``metrics.jsonl`` and ``summary.json``, read here by plain json."""

import csv
import io
import json
import random
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from preftune.reports import write_report
from preftune.reports.figure_data import Data, file_name
from preftune.reports.wording import figure
from tests.reports.folders import whole_run

FIGURE = re.compile(r"<figure>(.*?)</figure>", re.DOTALL)
LINK = re.compile(r'<a class="data" download="([^"]+)" href="data:text/csv;charset=utf-8,([^"]+)"')
TITLE = re.compile(r"<title>([^<]*) at ([\d,]+): ([^<(]+?)(?: \([^<]*)?</title>")

Table = list[dict[str, str]]


@pytest.fixture(scope="module", params=[False, True], ids=["healthy", "hacked"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_run(tmp_path_factory.mktemp("run"), hacked=request.param)


@pytest.fixture(scope="module")
def figures(run: Path) -> list[tuple[str, Table, str]]:
    """(file name, its rows, the figure's HTML) of every figure on the page."""
    page = write_report(run).read_text(encoding="utf-8")
    found = []
    for block in FIGURE.findall(page):
        link = LINK.search(block)
        assert link is not None, f"a figure without data: {block[:120]}"
        rows = list(csv.DictReader(io.StringIO(unquote(unescape(link[2])))))
        assert rows, link[1]
        found.append((link[1], rows, block))
    assert len(found) > 20
    return found


def written(run: Path, stage: str) -> dict[int, dict[str, float]]:
    (path,) = run.glob(f"stages/*-{stage}/metrics.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["step"]: row for row in rows}


def stage_of(file: str, run: Path) -> str:
    names = [path.name.partition("-")[2] for path in (run / "stages").iterdir()]
    return next(name for name in names if file.startswith(f"{name}-"))


def test_curves_are_what_the_metrics_say(run: Path, figures: list[tuple[str, Table, str]]) -> None:
    curves = [(file, rows) for file, rows, _ in figures if "step" in rows[0]]
    for file, rows in random.Random(7).sample(curves, 12):
        truth = written(run, stage_of(file, run))
        names = [name for name in rows[0] if name != "step"]
        if file.endswith("proxy-and-judge-ppo.csv"):
            continue  # its points are put together from two rows: tested below
        expected = [
            s for s, row in truth.items() if any(n in row for n in names if "_low" not in n)
        ]
        assert [int(row["step"]) for row in rows] == expected, file
        for row in rows:
            for name in names:
                value = truth[int(row["step"])].get(name)
                assert (float(row[name]) if row[name] else None) == value, (file, name)


def test_proxy_and_judge_are_paired_as_the_page_says(
    run: Path, figures: list[tuple[str, Table, str]]
) -> None:
    """A judgement goes with the KL and the score of the row that follows, or the last known."""
    (rows,) = [rows for file, rows, _ in figures if file.endswith("proxy-and-judge-ppo.csv")]
    truth = written(run, "ppo")
    judge, proxy = (
        next(name for name in rows[0] if name.startswith(p)) for p in ("judge/", "proxy")
    )
    steps = sorted(truth)
    for row in random.Random(3).sample(rows, 8):
        step = int(row["step"])
        assert float(row[judge]) == truth[step][judge]
        for name in ("objective/kl", proxy):
            known = {at: truth[at][name] for at in steps if name in truth[at]}
            after = [value for at, value in known.items() if at > step]
            assert float(row[name]) == (after or [*known.values()][-1:])[0]


def test_what_pointing_at_a_figure_says_is_in_its_data(
    figures: list[tuple[str, Table, str]],
) -> None:
    """The hover texts of curves that were not averaged: the value, as the page writes numbers."""
    looked = 0
    for file, rows, block in figures:
        titles = TITLE.findall(block)
        columns = [name for name in rows[0] if name != "step"]
        if "step" not in rows[0] or len(rows) > 160 or not titles or "proxy-and-judge" in file:
            continue
        for _, step, text in titles:
            row = next(r for r in rows if int(r["step"]) == int(step.replace(",", "")))
            told = {figure(float(row[name])) for name in columns if row[name]}
            assert text.strip() in told, (file, step)
            looked += 1
    assert looked > 100


def test_intervals_are_what_the_summary_says(
    run: Path, figures: list[tuple[str, Table, str]]
) -> None:
    (path,) = run.glob("stages/*-evaluation/summary.json")
    summary = json.loads(path.read_text())
    (wins,) = [rows for file, rows, _ in figures if file == "evaluation-win-rates.csv"]
    told = [{key: float(row[key]) for key in ("value", "low", "high")} for row in wins]
    expected = []
    for win in summary["win_rates"]:
        for key in ("win_rate", "length_controlled_win_rate"):
            expected.append({end: win[key][end] for end in ("value", "low", "high")})
    assert told == expected
    (bins,) = [rows for file, rows, _ in figures if file == "evaluation-calibration.csv"]
    assert [float(row["observed"]) for row in bins] == [
        row["observed"] for row in summary["reward_model"]["reliability"]
    ]


def test_data_is_a_file_any_table_reads() -> None:
    data = Data(("what", "value"), (('said "so", twice', 0.1), ("größer; 50 %", None)))
    rows = list(csv.reader(io.StringIO(data.text)))
    assert rows == [["what", "value"], ['said "so", twice', "0.1"], ["größer; 50 %", ""]]
    head, _, rest = data.address.partition(",")
    assert head == "data:text/csv;charset=utf-8" and unquote(rest) == data.text
    assert not set('"<> \n') & set(data.address)
    assert file_name("ppo", "KL to the reference") == "ppo-kl-to-the-reference.csv"
