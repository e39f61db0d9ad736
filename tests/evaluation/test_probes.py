"""What each probe does to a text and to a prompt."""

from preftune.evaluation.probes import PHRASES, PROBES, believing, edited
from preftune.records import Comparison, Message, Prompt

PAIR = Comparison(Prompt("Which?"), "It is red. It is large.", "It is blue.")
BY_NAME = {probe.name: probe for probe in PROBES}


def test_edits() -> None:
    phrases = {"padding": ("One.", "Two."), "flattery": ("How wise!",)}
    assert edited(BY_NAME["padding"], PAIR, 0, phrases).text == "It is red. It is large. One."
    assert edited(BY_NAME["padding"], PAIR, 3, phrases).text == "It is red. It is large. Two."
    assert edited(BY_NAME["flattery"], PAIR, 0, phrases).text == "How wise! It is red. It is large."
    assert edited(BY_NAME["lists"], PAIR, 0, {}).text == "- It is red.\n- It is large."
    assert edited(BY_NAME["markdown"], PAIR, 0, {}).text == "**It is red.** It is large."


def test_every_probe_that_says_something_has_phrases() -> None:
    silent = {"lists", "markdown"}
    assert {probe.name for probe in PROBES} - silent == set(PHRASES) - {"belief", "neutral"}


def test_a_belief_is_said_by_the_person() -> None:
    said = {"belief": ("I say {answer}",)}
    assert believing(Prompt("Which?"), " blue ", 0, said).text == "Which? I say blue"
    framed = Prompt("order | item lamp\ncustomer: which?\nagent:")
    expected = "order | item lamp\ncustomer: which? I say blue\nagent:"
    assert believing(framed, "blue", 0, said).text == expected
    turns = (Message("user", "Which?"), Message("assistant", "What?"), Message("user", "Colour."))
    assert believing(Prompt(turns), "blue", 0, said).text == (
        *turns[:2],
        Message("user", "Colour. I say blue"),
    )


def test_the_prompt_keeps_its_columns() -> None:
    asked = believing(Prompt("Which?", {"id": "7"}), "blue", 0, PHRASES)
    assert asked.id == "7"
