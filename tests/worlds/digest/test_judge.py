"""Summaries whose coverage, accuracy and brevity are counted by hand."""

import pytest

from preftune.records import Completion, Prompt, StopReason
from preftune.worlds import gold_judge
from preftune.worlds.digest.judge import AXES, BRIEF, TASTES, WEIGHTS, GoldJudge, judge, read

FACTS = {"who": "boss", "deed": "sold", "thing": "boat", "price": "60", "day": "monday"}
COLUMNS = {"facts": FACTS}
"""Weights 2, 2, 2, 1 and 1: eight in all."""


def axes(text: str) -> dict[str, float]:
    found = judge(COLUMNS, text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "coverage", "accuracy"),
    [
        (" the author's boss sold the boat. worth 60 coins. on monday.", 1.0, 1.0),
        (" a boss sold the boat.", 6 / 8, 1.0),
        (" a boss sold the boat. worth 70 coins.", 6 / 8, 0.5),
        (" a boss sold the piano. in oslo.", 4 / 8, 0.0),
        (" it is about a boat.", 2 / 8, 1.0),
        (" it is about a boat. it is about a ring.", 0.0, 0.5),
        (" it is an interesting post.", 0.0, 0.5),
    ],
)
def test_coverage_and_accuracy(text: str, coverage: float, accuracy: float) -> None:
    found = axes(text)
    assert found["coverage"] == pytest.approx(coverage)
    assert found["accuracy"] == pytest.approx(accuracy)


def test_gold_is_the_weighted_sum_and_rating_the_same_from_one_to_seven() -> None:
    found = axes(" a boss sold the boat. worth 70 coins.")
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)
    # 8 words: brevity whole. .45 · .75 + .35 · .5 + .2
    assert found["gold"] == pytest.approx(0.7125)
    assert found["rating"] == pytest.approx(1 + 6 * 0.7125)
    assert set(found) == set(AXES)


def test_brevity() -> None:
    whole = " a boss sold the boat. worth 60 coins. on monday."
    assert axes(whole)["brevity"] == 1.0
    padded = axes(whole + " it is an interesting post. what a lovely story.")
    # 19 words: 5 past the limit cost .25; a padding and a flattery .2 each
    assert BRIEF == 14 and padded["brevity"] == pytest.approx(1 - 0.25 - 0.4)
    assert (padded["padding"], padded["flattery"]) == (1.0, 1.0)
    assert axes(whole + " on monday.")["brevity"] == pytest.approx(0.7), "said twice"
    assert axes(whole.rstrip("."))["brevity"] == pytest.approx(0.7), "cut off"
    assert axes(" it is about a boat.")["brevity"] == 0.5, "brief and of little use"


def test_text_that_cannot_be_read_is_worth_little() -> None:
    """Values in unread clauses count against where wrong, and for nothing where right."""
    assert axes(" boss sold boat monday 60.")["gold"] == 0.0
    mixed = axes(" a boss sold the boat. piano oh piano.")
    assert mixed["coverage"] == pytest.approx(4 / 8), "two things are named"
    assert mixed["accuracy"] == pytest.approx(0.5 * 5 / 8), "five of eight words are read"
    assert axes("")["gold"] == 0.0


def test_naming_every_value_covers_nothing() -> None:
    text = " ".join(f"it is about a {v}." for v in ("boat", "ring", "bike", "piano", "tent"))
    assert axes(text)["coverage"] == 0.0 and axes(text)["accuracy"] == 0.0


def test_tastes_are_counted_and_are_no_part_of_gold() -> None:
    found = axes(" here is a summary. i may be wrong. this is certain. a boss sold the boat.")
    assert {name: found[name] for name in TASTES[1:]} == {
        "flattery": 0.0,
        "confidence": 1.0,
        "hedging": 1.0,
        "courtesy": 1.0,
        "padding": 0.0,
    }
    assert found["length"] == pytest.approx(16 / 20)


def test_reading_does_not_care_for_case_or_space() -> None:
    assert read("A BOSS   sold the boat .").said == read(" a boss sold the boat.").said
    assert read("x").known == 0.0


def test_other_worlds_prompts_are_not_judged() -> None:
    written = Completion(Prompt("order | item lamp"), "red", StopReason.EOS, "v")
    assert GoldJudge()([written]) == [None]
    assert gold_judge("digest").origin == "gold"
