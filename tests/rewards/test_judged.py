"""A judge as a reward: ratings and propositions, and that failures are no reward."""

from collections.abc import Sequence

import pytest

from preftune.judging import Answer, NoVerdict, Question, Template
from preftune.records import RunFailed
from preftune.rewards import PropositionScore, RatingScore
from tests.rewards.made import completions

RATED = Template("r.v1", "{{response}}")
ASKED = Template("p.v1", "{{proposition}} {{response}}")


def rater(questions: Sequence[Question]) -> list[Answer]:
    given = {
        "best": {"1": 0.0, "2": 0.0, "3": 1.0},
        "even": {"1": 0.5, "2": 0.0, "3": 0.5},
        "hm": NoVerdict("unclear", "hm"),
        "gone": NoVerdict("failed", "status 500"),
    }
    return [given[str(q.prompt.text)] for q in questions]


def test_a_rating_is_a_reward_and_an_unclear_one_does_not_apply() -> None:
    score = RatingScore(rater, highest=3, prompt=RATED)
    assert score.origin == "judge"
    assert score(completions("best", "even", "hm")) == [{"score": 1.0}, {"score": 0.0}, None]


def test_a_failure_ends_the_run() -> None:
    with pytest.raises(RunFailed, match=r"1 of 2 questions \(status 500\)"):
        RatingScore(rater, highest=3, prompt=RATED)(completions("best", "gone"))


def test_propositions_are_axes_of_their_own() -> None:
    def ask(questions: Sequence[Question]) -> list[Answer]:
        found: list[Answer] = []
        for question in questions:
            words, text = str(question.prompt.text).split()
            p = 0.9 if words == text else 0.3
            found.append(NoVerdict("unclear", "?") if text == "hm" else {"yes": p, "no": 1 - p})
        return found

    score = PropositionScore(ask, {"kind": "a", "true": "b"}, ASKED)
    one, two = score(completions("a", "hm"))
    weighed = PropositionScore(ask, {"kind": "a", "true": "b"}, ASKED, {"kind": 2.0, "true": -1.0})
    (axes,) = weighed(completions("a"))
    assert axes is not None and axes["score"] == pytest.approx(1.5)
    assert one == {"kind": 0.9, "true": 0.3, "score": pytest.approx(0.6)} and two is None
