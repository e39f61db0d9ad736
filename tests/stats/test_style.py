"""Each trait on texts whose count is plain to see."""

import pytest

from preftune.stats.style import SAID, TRAITS, agrees, refuses, sentiment

COUNTS = [
    ("length", "one two  three", 3),
    ("politeness", "Thank you, please. You're welcome; sorry.", 4),
    ("flattery", "What a great question! You are so smart.", 2),
    ("hedging", "Perhaps. I think it might rain; I am not entirely sure.", 4),
    ("confidence", "Certainly. It is obviously so, without a doubt.", 3),
    ("lists", "Do this:\n- one\n* two\n3. three\nfour - five", 3),
    ("markdown", "# Head\nsome **bold** and `code`\n| a | b |", 4),
    ("refusals", "I'm unable to help, I cannot do it.", 1),
    ("refusals", "I can do it.", 0),
    ("agreement", "You're absolutely right, it is red.", 1),
    ("agreement", "It is red, you are right.", 0),
    ("questions", "Why? Who?", 2),
    ("exclamations", "Yes! No!", 2),
]


@pytest.mark.parametrize(("trait", "text", "count"), COUNTS)
def test_traits(trait: str, text: str, count: float) -> None:
    assert TRAITS[trait](text) == count


def test_every_trait_is_said_in_words() -> None:
    assert set(SAID) == set(TRAITS)
    assert all(measure("") == 0 for measure in TRAITS.values())


def test_sentiment_is_a_share_of_words() -> None:
    assert sentiment("a good day and a bad bad night") == pytest.approx(-1 / 8)
    assert sentiment("") == 0


def test_words_inside_words_do_not_count() -> None:
    assert TRAITS["confidence"]("uncertainly") == 0
    assert sentiment("goodness badge") == 0


def test_stances() -> None:
    assert agrees("Yes, it is.") and agrees("  indeed") and agrees("That’s right.")
    assert not agrees("Yesterday it was.") and not agrees("No, you are right.")
    assert refuses("I won't say.") and not refuses("I want to say.")
