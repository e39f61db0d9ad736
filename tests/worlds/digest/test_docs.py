"""The page about the digest: its example runs, its numbers are the judge's."""

import re
from pathlib import Path

import numpy as np
import pytest

from preftune.worlds import generate
from preftune.worlds.dice import Dice
from preftune.worlds.digest import DEMONSTRATORS, PEOPLE, UNTAMED, summary
from preftune.worlds.digest.judge import WEIGHTS, judge

PAGE = (Path(__file__).parents[3] / "docs" / "digest.md").read_text(encoding="utf-8")


def test_the_python_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(example, "docs/digest.md", "exec"), {})


def test_the_table_of_summaries_is_true() -> None:
    number = r" ([01]?\.\d+) \|"
    rows = re.findall(rf"^\| ([a-z0-9 .']+?) \|{number * 4}$", PAGE, re.M)
    assert len(rows) == 4
    facts = {"facts": {"who": "boss", "deed": "sold", "thing": "boat", "price": "60"}}
    for text, *numbers in rows:
        found = judge(facts, text)
        assert found is not None
        axes = [found[axis] for axis in ("coverage", "accuracy", "brevity", "gold")]
        assert axes == pytest.approx([float(number) for number in numbers], abs=0.0051)


def test_the_weights_are_the_ones_printed() -> None:
    for axis, weight in WEIGHTS.items():
        assert f"| {axis} | {f'{weight:.2f}'.removeprefix('0')} |" in PAGE


def test_who_writes_how_well() -> None:
    data = generate(
        "digest",
        prompts={"train": 1500},
        demonstrations=0,
        demonstrations_validation=0,
        documents=0,
        seed=5,
    )
    dice = Dice(np.random.default_rng(0))
    means = []
    for habits in (UNTAMED, DEMONSTRATORS, PEOPLE):
        golds = [
            judge(p.columns, summary(p.columns["facts"], habits, dice))["gold"]  # type: ignore[index]
            for p in data.prompts["train"]
        ]
        means.append(float(np.mean(golds)))
    assert means == pytest.approx([0.60, 0.84, 0.97], abs=0.02)
