"""The whole file: numbers, escaping, no outside reference, and every subset of a run."""

import html
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from preftune.records import BadInput
from preftune.reports import write_report
from tests.reports.folders import (
    SOURCES,
    samples,
    whole_run,
    write_json,
    write_lines,
    write_recipe,
    write_stage,
)

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Tree(HTMLParser):
    """Checks that elements close in order, and collects ids, links, headings and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href" and value and value.startswith("#"):
                self.links.append(value[1:])
            elif name in ("href", "src", "srcset", "action", "data") and not (
                value or ""
            ).startswith("data:"):
                self.outside.append(f"{tag} {name}={value}")
            if name.startswith("on"):
                self.wrong.append(f"{tag} {name}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")


def read(folder: Path) -> str:
    text = write_report(folder).read_text(encoding="utf-8")
    tree = Tree()
    tree.feed(text)
    assert tree.wrong == [] and tree.open == []
    assert tree.outside == []
    assert len(tree.ids) == len(set(tree.ids))
    assert set(tree.links) <= set(tree.ids)
    assert tree.headings[0] == 1 and tree.headings.count(1) == 1
    steps = zip(tree.headings, tree.headings[1:], strict=False)
    assert all(after <= before + 1 or after == 4 for before, after in steps)
    assert len(text.encode()) < 1_500_000
    return text


def words(text: str) -> str:
    """What a reader sees, tags and styles taken out, every white space one space."""
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    return read(whole_run(tmp_path_factory.mktemp("run")))


def test_the_numbers_are_on_the_page(report: str) -> None:
    seen = words(report)
    for text in (
        "PPO was preferred to SFT on 71 % (67–75) of 600 held",
        "a ceiling of 80.4 % (79.8–81.0)",
        "3 min 39 s",
        "10 of 30 held-out prompts",
        "seed 3",
        "torch 2.13.0",
        "preftune run recipe.toml --seed 3 --out again",
        "among the largest gains of PPO over SFT",
        "10.9 (10.4–11.4)",
    ):
        assert text in seen, text
    assert report.count('class="sample"') == 10 + 2  # ten, and two that are worth reading


def test_everything_has_its_heading_and_its_sentence(report: str) -> None:
    for heading in (
        "What ran",
        "Proxy and judge",
        "Results",
        "Samples side by side",
        "Labels",
        "Curves",
        "Lineage",
        "Details",
        "Run it again",
    ):
        assert f">{heading}</h2>" in report
    assert report.count("<figure>") == report.count('<p class="read">') >= 20
    assert not re.search(r'<p class="read">\s*</p>', report)
    assert report.count("<svg") == len(
        re.findall(r'<svg[^>]*role="img"[^>]*aria-label="[^"]', report)
    )


def test_the_file_needs_nothing_from_outside(report: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", report)
    assert "<script" not in report and "<iframe" not in report
    assert "default-src 'none'" in report


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    whole_run(tmp_path)
    for name in ("02-base", "07-ppo"):
        (tmp_path / "stages" / name / "metrics.jsonl").unlink()
    first = write_report(tmp_path).read_bytes()
    assert write_report(tmp_path).read_bytes() == first


def test_text_from_outside_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    whole_run(tmp_path)
    no_curves(tmp_path)
    write_recipe(tmp_path, list(SOURCES), title=f"Run {evil}")
    rows = samples(12)
    for row in rows:
        row["prompt"] = f"{evil} <img src=x onerror=alert(1)>"
        row["columns"] = {"class": '"><svg onload=alert(1)>'}
        row["samples"][2]["text"] = f"see http://example.com {evil} & more"
        row["samples"][1]["policy"] = evil
        row["samples"][0]["scores"][evil] = 1.0
    evaluation = tmp_path / "stages" / "08-evaluation"
    write_lines(evaluation / "samples.jsonl", rows)
    write_lines(
        tmp_path / "stages" / "03-sft" / "metrics.jsonl",
        [{"step": i, f"user/{evil}": float(i)} for i in range(4)],
    )
    write_json(tmp_path / "stages" / "01-world" / "summary.json", {evil: evil, "x": [evil]})
    text = read(tmp_path)
    assert "<script" not in text and "<img" not in text and "<svg onload" not in text
    assert words(text).count("<script>alert(1)</script>") >= 25


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_stage_alone_gives_a_report(tmp_path: Path, name: str) -> None:
    whole_run(tmp_path / "whole")
    (source,) = (tmp_path / "whole" / "stages").glob(f"*-{name}")
    shutil.copytree(source, tmp_path / "one" / "stages" / source.name)
    write_recipe(tmp_path / "one", [name])
    text = words(read(tmp_path / "one"))
    assert f"{name}" in text and "Run it again" in text


Take = Callable[[Path], None]


def _without(pattern: str) -> Take:
    def take(run: Path) -> None:
        for path in sorted(run.rglob(pattern)):
            path.unlink()

    return take


no_curves = _without("metrics.jsonl")
"""Most subsets are tried without curves: drawing them takes most of a report's time."""


def _emptied(run: Path) -> None:
    for path in run.rglob("*.json*"):
        path.write_text("")


def _odd(run: Path) -> None:
    """Every value of the evaluation is null, a text or of another shape."""
    strange = {
        "policies": {"ppo": {"judge": None, "words": "many", "axes": 3, "openers": [["a"], 7]}},
        "win_rates": [{"policy": "ppo"}, 5, {"policy": "a", "against": "b", "win_rate": None}],
        "reward_model": {"accuracy": None, "reliability": [{}], "slices": {"c": {"v": None}}},
        "best_of": {"n": None},
        "noise_ceiling": "high",
    }
    write_json(run / "stages" / "08-evaluation" / "summary.json", strange)
    rows = [{"samples": 3}, {"prompt": 7, "samples": [{"text": None}]}] * 8
    write_lines(run / "stages" / "08-evaluation" / "samples.jsonl", rows)


@pytest.mark.parametrize(
    "take",
    [
        _without("recipe.json"),
        _without("summary.json"),
        _without("manifest.json"),
        no_curves,
        _without("samples.jsonl"),
        _without("*.json"),
        _without("*.jsonl"),
        _emptied,
        _odd,
    ],
)
def test_whatever_is_missing_the_rest_is_shown(tmp_path: Path, take: Take) -> None:
    whole_run(tmp_path)
    no_curves(tmp_path)
    take(tmp_path)
    text = words(read(tmp_path))
    assert "ppo" in text and "None" not in text and "nan" not in text.split()


def test_a_run_that_has_only_begun_says_so(tmp_path: Path) -> None:
    write_recipe(tmp_path, ["world", "base", "sft"])
    text = words(read(tmp_path))
    assert "The run is still under way; 0 of 3 stages are done." in text
    assert text.count("○ planned") == 3


def test_a_refused_run_shows_its_reason_and_its_results(tmp_path: Path) -> None:
    write_recipe(tmp_path, ["world", "sft"])
    folder = write_stage(tmp_path, 1, "world", 2.0)
    write_json(folder / "summary.json", {"documents": 24000})
    summary = {
        "status": "refused",
        "stages": [{"name": "sft", "status": "refused", "reason": "Accuracy .52 is below .60."}],
    }
    write_json(tmp_path / "summary.json", summary)
    text = words(read(tmp_path))
    assert "Accuracy .52 is below .60." in text and "✕ refused" in text and "24,000" in text


def test_two_ppo_stages_and_two_evaluations_are_told_apart(tmp_path: Path) -> None:
    whole_run(tmp_path)
    for number, name, source in (
        (9, "ppo_free", "07-ppo"),
        (10, "evaluation_free", "08-evaluation"),
    ):
        shutil.copytree(tmp_path / "stages" / source, tmp_path / "stages" / f"{number:02d}-{name}")
    text = read(tmp_path)
    assert "Proxy and judge: ppo_free" in text and "Results: evaluation_free" in text


def test_a_folder_that_is_no_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
