"""``evaluate judge`` on the command line, with a real endpoint and with a model's folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from preftune.models import save_model
from tests.cli.command import preftune, write_rows
from tests.judging.server import Reply, answer, serving
from tests.models.made import make_policy, tokenizer

PAIRS = [
    {"prompt": f"Question {n}?", "chosen": f"kind words {n}", "rejected": f"rude words {n}"}
    for n in range(12)
]
GRADED = [
    {
        "prompt": f"Question {n}?",
        "completion": "sorry, no" if n % 3 else "of course",
        "propositions": {"apology": n % 3 != 0, "refuses": n % 3 == 1},
    }
    for n in range(12)
]
ESTIMATE = {"value", "low", "high", "count"}


def kind_wins(body: dict[str, Any], n: int) -> Reply:
    """Says A where response A is the kind one, but always A where the question has a 3."""
    text = body["messages"][0]["content"]
    a = text.split("response A]\n")[1]
    says = "A" if a.startswith("kind") or "Question 3?" in text else "B"
    return answer(says, {says: 0.9, "B" if says == "A" else "A": 0.1})


def grader(body: dict[str, Any], n: int) -> Reply:
    says = "yes" if "sorry" in body["messages"][0]["content"] else "no"
    return answer(says, {says: 0.8, "yes" if says == "no" else "no": 0.2})


def spec(folder: Path, url: str, **settings: object) -> Path:
    path = folder / "judge.toml"
    lines = {"base_url": url, "model": "m", "longest_wait": 0.01, **settings}
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()))
    return path


def test_pairs_are_judged_in_both_orders_and_the_gate_speaks(tmp_path: Path) -> None:
    """Eleven pairs right and consistent, one even between its orders: 11.5 of 12."""
    data = write_rows(tmp_path / "pairs.jsonl", *PAIRS)
    with serving(kind_wins) as there:
        words = ("evaluate", "judge", "--judge", spec(tmp_path, there.url), "--data", data)
        words = (*words, "--cache", tmp_path / "cache")
        found = preftune(*words, "--gate", "--json")
        assert len(there.bodies) == 24
        again = preftune(*words, "--json").json
        assert len(there.bodies) == 24 and again["usage"]["cached"] == 24
    assert found.code == 0
    told = found.json
    assert told["agreement"]["value"] == pytest.approx(11.5 / 12)
    assert told["consistency"]["value"] == pytest.approx(11 / 12)
    assert told["kappa"]["value"] == 1.0 and set(told["kappa"]) == ESTIMATE
    assert told["gate"] == {"ok": True, "reasons": []}
    assert told["usage"]["prompt_tokens"] == 2400


def test_a_judge_that_may_not_label_ends_with_one(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", *PAIRS)
    with serving(lambda body, n: answer("A", {"A": 0.9, "B": 0.1})) as there:
        words = ("evaluate", "judge", "--judge", spec(tmp_path, there.url), "--data", data)
        done = preftune(*words, "--cache", tmp_path / "cache", "--gate", "--json")
    assert done.code == 1 and "may not label" in done.error["sentence"]
    assert done.json["first_preferred"]["value"] == 1.0
    assert done.json["consistency"]["value"] == 0.0


def test_propositions_are_graded_one_by_one(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "graded.jsonl", *GRADED)
    words_file = write_rows(tmp_path / "w.jsonl", {"name": "apology", "text": "Is there regret?"})
    with serving(grader) as there:
        words = ("evaluate", "judge", "--judge", spec(tmp_path, there.url), "--data", data)
        words = (*words, "--propositions", words_file, "--cache", tmp_path / "cache")
        told = preftune(*words, "--json").json
        shown = preftune(*words)
        texts = {
            body["messages"][0]["content"].split("decides it:\n")[1].split("\n")[0]
            for body in there.bodies
        }
    assert texts == {"Is there regret?", "Refuses."}
    apology, refuses = told["propositions"]["apology"], told["propositions"]["refuses"]
    assert apology["accuracy"]["value"] == 1.0 and apology["kappa"]["value"] == 1.0
    assert refuses["precision"]["value"] == 0.5 and refuses["recall"]["value"] == 1.0
    assert refuses["accuracy"]["value"] == pytest.approx(8 / 12)
    assert (told["responses"], told["questions"], told["failed"]) == (12, 24, 0)
    assert shown.code == 0 and "apology" in shown.out and "24 from the cache" in shown.out


def test_what_is_missing_is_told_and_asked_again(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", *PAIRS)

    def ill(body: dict[str, Any], n: int) -> Reply:
        return Reply(500) if n < 26 and "Question 7?" in str(body) else kind_wins(body, n)

    with serving(ill) as there:
        judge = spec(tmp_path, there.url, retries=0)
        words = ("evaluate", "judge", "--judge", judge, "--data", data)
        words = (*words, "--cache", tmp_path / "cache", "--json")
        first, sent = preftune(*words), len(there.bodies)
        preftune(*words)
        preftune(*words)
        last = preftune(*words)
        assert sent == 24 and len(there.bodies) == 28
    assert first.code == 1
    assert "1 of 12 pairs have no answer (status 500)" in first.error["sentence"]
    assert first.json["judged"] == 11
    assert last.code == 0 and last.json["judged"] == 12


def test_a_model_on_disk_judges(tmp_path: Path) -> None:
    save_model(make_policy(context=256), tokenizer(), tmp_path / "model", "random")
    data = write_rows(tmp_path / "graded.jsonl", *GRADED)
    words = ("evaluate", "judge", "--judge", tmp_path / "model", "--data", data, "--json")
    told = preftune(*words, "--only", "apology").json
    assert set(told["propositions"]) == {"apology"}
    assert told["propositions"]["apology"]["graded"] == 12 and told["truncated"] >= 0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "p", "propositions": {"a": True}}, "has a prompt, a completion"),
        ({"prompt": "p", "completion": "c", "propositions": {"a": "yes"}}, "neither true nor"),
    ],
)
def test_bad_rows_and_judges_are_told(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    data = write_rows(tmp_path / "graded.jsonl", GRADED[0], row)
    judge = spec(tmp_path, "http://127.0.0.1:1/v1", retries=0)
    words = ("evaluate", "judge", "--judge", judge, "--cache", tmp_path / "c", "--json")
    done = preftune(*words, "--data", data)
    assert done.code == 2 and says in done.error["sentence"] and done.error["line"] == 2
    judge.write_text("base_url = 'ftp://x'\nmodel = 'm'\n")
    done = preftune(*words, "--data", data)
    assert done.code == 2 and "base_url" in done.error["sentence"]
    judge.write_text("base_url = 'http://me:pw@x/v1'\nmodel = 'm'\n")
    assert "password" in preftune(*words, "--data", data).error["sentence"]
