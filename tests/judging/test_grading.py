"""Ratings, rubrics and propositions of single responses."""

from collections.abc import Sequence

import pytest

from preftune.judging import (
    Answer,
    Criterion,
    NoVerdict,
    Question,
    Response,
    Template,
    grade,
    propositions_hold,
    rate,
)
from preftune.records import BadInput, Prompt

TWO = [Response(Prompt("p"), "good"), Response(Prompt("p"), "bad")]
SCORED = Template("s.v1", "{{response}} {{lowest}} {{highest}} {{question}}")


def test_the_rating_is_an_expectation_over_score_tokens() -> None:
    """Good: half on 4, half on 5 of 5, 4.5 → .75. Bad: all on 1 → −1."""

    def ask(questions: Sequence[Question]) -> list[Answer]:
        assert {q.options for q in questions} == {("1", "2", "3", "4", "5")}
        shares = {"good": {"4": 0.5, "5": 0.5}, "bad": {"1": 1.0}}
        given = [shares[str(q.prompt.text).split()[0]] for q in questions]
        return [{str(n): share.get(str(n), 0.0) for n in range(1, 6)} for share in given]

    assert rate(TWO, ask, highest=5, prompt=SCORED) == pytest.approx([0.75, -1.0])


def test_a_rating_that_is_missing_stays_missing() -> None:
    gone = NoVerdict("failed", "gone")
    assert rate(TWO, lambda questions: [gone for _ in questions]) == [gone, gone]


@pytest.mark.parametrize("highest", [1, 10])
def test_scales_where_one_number_starts_another_are_refused(highest: int) -> None:
    with pytest.raises(BadInput):
        rate(TWO, lambda questions: [], highest=highest)


def test_a_rubric_weighs_its_grades_and_lacks_a_total_when_one_is_missing() -> None:
    """Truth 5 of 5 (weight 3), tone 3 (weight 1): (3 · 1 + 1 · .5) / 4 = .875."""
    criteria = [Criterion("truth", "Is it true?", 3.0), Criterion("tone", "Is it kind?")]
    texts: list[str | NoVerdict] = ["truth: 5\ntone: 3", "truth: 5\ntone: warm"]
    asked: list[str] = []

    def write(prompts: Sequence[Prompt]) -> list[str | NoVerdict]:
        asked.extend(str(prompt.text) for prompt in prompts)
        return texts

    full, partly = grade(TWO, criteria, write)
    assert not isinstance(full, NoVerdict) and full.total == pytest.approx(0.875)
    assert not isinstance(partly, NoVerdict) and partly.total is None
    assert partly.grades["truth"] == 5
    assert "truth: Is it true?\ntone: Is it kind?" in asked[0]


def test_a_rubric_without_sense_is_refused() -> None:
    for criteria in ([], [Criterion("a", ""), Criterion("a", "")], [Criterion("a", "", 0.0)]):
        with pytest.raises(BadInput):
            grade(TWO, criteria, lambda prompts: [])


def test_each_proposition_of_each_response_in_its_place() -> None:
    def ask(questions: Sequence[Question]) -> list[Answer]:
        found: list[Answer] = []
        for question in questions:
            text, response = str(question.prompt.text).split("|")
            if text == "unclear?":
                found.append(NoVerdict("unclear", "hm"))
            else:
                p = {"good": 0.9, "bad": 0.2}[response]
                found.append({"yes": p, "no": 1 - p})
        return found

    asked = Template("q.v1", "{{proposition}}|{{response}}")
    words = {"kind": "Is it kind?", "hm": "unclear?"}
    one, two = propositions_hold(TWO, words, ask, prompt=asked)
    assert (one["kind"], two["kind"]) == (0.9, 0.2)
    assert isinstance(one["hm"], NoVerdict) and isinstance(two["hm"], NoVerdict)
