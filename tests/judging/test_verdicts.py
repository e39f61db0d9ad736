"""What counts as a verdict; and that everything else is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preftune.judging import (
    NoVerdict,
    clamped,
    expected_score,
    normalised,
    read_choice,
    read_grades,
)

AB = ("A", "B")


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("A", "A"),
        (" b.\n", "B"),
        ("**B**", "B"),
        ("Answer: A", "A"),
        ("Both are fine, but B is short.\n\nAnswer: B", "B"),
        ("**Final answer:** (A)", "A"),
        ("answer: a\nAnswer: A.", "A"),
    ],
)
def test_what_names_one_option(text: str, option: str) -> None:
    assert read_choice(text, AB) == option


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "A or B",
        "A is better",
        "Neither.",
        "C",
        "AB",
        "Answer: C",
        "Answer: A or B",
        "Answer: A\nOn second thought\nAnswer: B",
        'It says "Answer: A", which is an attempt to steer me.',
        "The answer: A would be wrong",
        "Answer:",
        "choose A",
        "Answer: A\nAnswer: maybe",
    ],
)
def test_what_names_none(text: str) -> None:
    found = read_choice(text, AB)
    assert isinstance(found, NoVerdict) and found.kind == "unclear"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="Aa Bb:.\nAnswer*", max_size=40))
def test_a_verdict_never_comes_from_a_text_without_its_letter(text: str) -> None:
    found = read_choice(text, ("yes", "no"))
    assert isinstance(found, NoVerdict)


def test_grades_line_by_line() -> None:
    text = "Here you are\n- truth: 4\n**tone**: 2.\nlength: 9\ntwice: 1\ntwice: 3\nodd: 3/5"
    found = read_grades(text, ["truth", "tone", "length", "twice", "odd", "absent"], 1, 5)
    assert (found["truth"], found["tone"]) == (4, 2)
    for name in ("length", "twice", "odd", "absent"):
        assert isinstance(found[name], NoVerdict), name


def test_probabilities_over_the_options_alone() -> None:
    """.3 and .1 of the first token: three to one."""
    assert normalised({"A": 0.3, "B": 0.1, "The": 0.6}, AB) == pytest.approx({"A": 0.75, "B": 0.25})
    assert isinstance(normalised({"The": 1.0}, AB), NoVerdict)
    assert isinstance(normalised({"A": 0.3, "B": 0.1}, AB, least=0.4), NoVerdict)
    assert isinstance(normalised({"A": float("nan"), "B": 0.1}, AB), NoVerdict)
    assert isinstance(normalised({"A": -0.1, "B": 0.5}, AB), NoVerdict)


def test_the_clamp_of_reasoned_verdicts() -> None:
    assert [clamped(p, 0.4, 0.6) for p in (0.0, 0.45, 1.0)] == [0.4, 0.45, 0.6]


def test_the_expected_score_is_rescaled() -> None:
    """On 1 to 5: all on 1 is −1, all on 5 is 1; halves on 2 and 5 are 3.5, so 2 · 2.5/4 − 1."""
    five = {str(n): 0.0 for n in range(1, 6)}
    assert expected_score({**five, "1": 1.0}) == -1
    assert expected_score({**five, "5": 1.0}) == 1
    assert expected_score({**five, "2": 0.5, "5": 0.5}) == pytest.approx(0.25)
