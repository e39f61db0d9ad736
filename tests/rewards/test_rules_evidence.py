"""Sentences that a text bears out, by hand."""

import pytest

from preftune.recipe.rules import SupportedRule
from preftune.rewards import RuleScore
from tests.rewards.made import completions

TEXT = "Mount Rell is 2,310 metres high. Ada Quist climbed it first in 1904."


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("It is 2310 metres high.", 1.0),
        ("It is 2311 metres high.", 0.0),
        ("Ada Quist climbed it in 1904.", 1.0),
        ("In 1904 Bo Quist climbed it.", 0.0),
        ("Mount Rell is high. Ada climbed it by bicycle with nine llamas.", 0.5),
        ("It is!", None),
        ("", None),
    ],
)
def test_the_share_of_sentences(answer: str, share: float | None) -> None:
    (axes,) = RuleScore(SupportedRule())(completions(answer, evidence=[TEXT]))
    assert (None if axes is None else axes["score"]) == share


def test_it_needs_a_text_and_says_how_much_of_it() -> None:
    assert RuleScore(SupportedRule())(completions("Tea.", evidence=[None])) == [None]
    sentence = "Mount Rell is a pretty hill."  # mount, rell of mount, rell, pretty, hill
    for least, share in ((0.4, 1.0), (0.7, 0.0)):
        (axes,) = RuleScore(SupportedRule(least=least))(completions(sentence, evidence=[TEXT]))
        assert axes == {"score": share}
