"""The page and the table of methods side by side."""

import re
from pathlib import Path

from preftune.records import Estimate
from preftune.reports.comparison import (
    comparison_markdown,
    comparison_table,
    headline,
    render_comparison,
    sentences,
    write_comparison,
    write_comparison_table,
)
from preftune.reports.methods import Comparison, Method
from tests.reports.test_page import Tree


def method(
    name: str,
    judge: float,
    kl: float,
    rate: float | None,
    half: float = 0.02,
    seeds: tuple[int, ...] = (0,),
) -> Method:
    measures = {
        "judge": Estimate(judge, judge - half, judge + half, 600),
        "proxy": Estimate(2 * judge, 2 * judge - half, 2 * judge + half, 600),
        "kl": Estimate(kl, kl - 0.1, kl + 0.1, 600),
        "seconds": Estimate(75.0, 75.0, 75.0, 1),
        "generated_tokens": Estimate(49860.0, 49860.0, 49860.0, 1),
    }
    if rate is not None:
        measures["win_rate"] = Estimate(rate, rate - half, rate + half, 600)
    return Method(name, name, seeds, tuple(f"runs/s{seed}" for seed in seeds), measures)


COMPARED = Comparison(
    "the gold judge",
    "sft",
    (
        method("ppo", 0.93, 1.4, 0.84, seeds=(0, 1)),
        method("dpo", 0.88, 2.2, 0.70),
        method("a<b>|c", 0.84, 0.5, 0.51),
        method("sft", 0.83, 0.0, None),
        method("bad", 0.40, 9.0, 0.10),
    ),
    ("/somewhere/s0", "/somewhere/s1"),
    ("The evaluations differ in prompts: their numbers are not on equal terms.",),
)


def test_the_table_numbers_methods_and_leaves_out_what_nobody_measured() -> None:
    made = comparison_table(COMPARED)
    assert made.head == (
        "method", "win rate", "gold", "proxy", "KL", "generated", "time", "seeds",
    )  # fmt: skip
    assert made.body[0] == (
        "1 PPO",
        "84\u202f% (82–86)",
        "0.93 (0.91–0.95)",
        "1.86 (1.84–1.88)",
        "1.4 (1.3–1.5)",
        "49,860",
        "1\u202fmin 15\u202fs",
        "2",
    )
    assert made.body[3][1] == "–"


def test_the_verdict_says_who_is_surely_better_worse_or_neither() -> None:
    assert headline(COMPARED) == (
        "PPO is the best by the gold judge, with its interval above all others'."
    )
    assert sentences(COMPARED) == (
        "Surely better than SFT: PPO and dpo.",
        "Surely worse than SFT: bad.",
        "No clear difference from SFT: a<b>|c.",
    )


def test_a_close_race_is_called_one() -> None:
    methods = (method("ppo", 0.93, 1, 0.8), method("dpo", 0.92, 1, 0.8))
    close = Comparison("the judge", "sft", methods, (), ())
    assert headline(close) == "PPO is highest by the judge, with 1 other within its interval."


def test_markdown_keeps_its_columns(tmp_path: Path) -> None:
    text = comparison_markdown(COMPARED)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 5
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {9}
    assert "| 1 PPO | 84 % (82–86) | 0.93 (0.91–0.95) |" in text
    assert "\u202f" not in text and "- The evaluations differ in prompts" in text
    assert "over seeds" in text
    assert write_comparison_table(COMPARED, tmp_path / "t.md").read_text() == text


def test_the_page_is_whole_escaped_and_alone(tmp_path: Path) -> None:
    page = render_comparison(COMPARED)
    tree = Tree()
    tree.feed(page)
    tree.close()
    assert not tree.open and not tree.wrong and not tree.outside
    assert len(set(tree.ids)) == len(tree.ids)
    assert set(tree.links) <= set(tree.ids)
    assert "<b>|c" not in page and "a&lt;b&gt;|c" in page
    assert page.count("<figure>") == 3
    assert "no other method has more at less" in page
    assert "4 SFT, 3 a&lt;b&gt;|c and 1 PPO" in page
    assert "0.93 " in page and "PPO is the best by the gold judge" in page
    assert write_comparison(COMPARED, tmp_path / "c.html").read_text() == page
    assert render_comparison(COMPARED) == page


def test_methods_without_a_kl_have_no_frontier_but_a_table() -> None:
    bare = [
        Method(m.name, m.kind, m.seeds, m.runs, {k: v for k, v in m.measures.items() if k != "kl"})
        for m in COMPARED.methods
    ]
    page = render_comparison(Comparison("the judge", "sft", tuple(bare), (), ()))
    assert page.count("<figure>") == 1 and "Win rate against SFT" in page
