"""Conversations: the talk so far, pairs turn by turn, rules that were made to break."""

from typing import Any

import pytest

from preftune.feedback.kinds.conversation import (
    CONVERSATION,
    ConversationAnswer,
    ConversationQuestion,
    talk_before,
)
from preftune.feedback.kinds.kind import Asked, Said
from tests.feedback.kinds.test_every_kind import turn

OPENING = [{"role": "system", "content": "Be kind."}]


def said(answer: dict[str, Any]) -> Said:
    parsed = ConversationAnswer.model_validate(answer)
    return Said("annotator-1", "x", "human", parsed, "j1", 1, 1)


def asked(prompt: Any = "Ask about tea.", models: tuple[str | None, ...] = ("m", "n")) -> Asked:
    return Asked("one", prompt, ("", "")[: len(models)], models, {})


TALK = {"turns": [turn("Hot?", "b", "Yes.", "No."), turn("Sure?", "a", "Quite.", "Hm.")]}


def test_each_turn_is_a_pair_after_the_replies_that_were_kept() -> None:
    rows = CONVERSATION.rows(ConversationQuestion(), asked(), [said(TALK)], "majority", None)
    assert rows[0]["prompt"] == [{"role": "user", "content": "Hot?"}]
    assert (rows[0]["chosen"], rows[0]["rejected"]) == ("No.", "Yes.")
    assert (rows[0]["model_chosen"], rows[0]["model_rejected"]) == ("n", "m")
    assert rows[1]["prompt"] == [
        {"role": "user", "content": "Hot?"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "Sure?"},
    ]
    assert (rows[1]["chosen"], rows[1]["turn"], rows[1]["probability"]) == ("Quite.", 2, 1.0)
    assert rows[0]["task"] == "Ask about tea." and "annotator" not in rows[0]
    with_voter = CONVERSATION.rows(ConversationQuestion(), asked(), [said(TALK)], "per_vote", None)
    assert with_voter[0]["annotator"] == "annotator-1"


def test_a_prompt_of_turns_is_what_the_policies_read() -> None:
    answer = ConversationAnswer.model_validate(TALK)
    assert talk_before(OPENING, answer.turns[:1]) == [
        *OPENING,
        {"role": "user", "content": "Hot?"},
        {"role": "assistant", "content": "No."},
    ]
    assert talk_before("a task", ()) == []


def test_a_rule_that_broke_is_told_of_the_last_reply() -> None:
    rules = [{"name": "polite", "text": "No insults."}, {"name": "law", "text": "No crime."}]
    question = ConversationQuestion.model_validate({"rules": rules})
    answer = {
        "turns": [turn("Insult me.", None, "No."), turn("Please.", None, "You fool.")],
        "rules": {"polite": "broken", "law": "unsure"},
    }
    (row,) = CONVERSATION.rows(question, asked(OPENING, ("m",)), [said(answer)], "majority", None)
    assert row["completion"] == "You fool." and row["label"] is False
    assert (row["rule"], row["rule_text"], row["model"]) == ("polite", "No insults.", "m")
    assert [t["content"] for t in row["prompt"]] == ["Be kind.", "Insult me.", "No.", "Please."]
    parsed = ConversationAnswer.model_validate(answer)
    assert CONVERSATION.check(question, parsed, ("",)) == ""
    assert "two" in CONVERSATION.check(question, said({**answer, **TALK}).answer, ("", ""))
    assert CONVERSATION.values(question, parsed, ("",)) == {"rule": {"polite": 0.0, "law": 0.5}}
    missing = ConversationAnswer.model_validate({"turns": answer["turns"]})
    assert '"polite"' in CONVERSATION.check(question, missing, ("",))


@pytest.mark.parametrize(
    ("settings", "answer", "says"),
    [
        ({}, {"turns": []}, "at least 1"),
        ({"most_turns": 1}, TALK, "at most 1"),
        ({"ties": False}, {"turns": [turn("x", "tie", "y", "z")]}, "no ties"),
        ({"scale": "7-point"}, TALK, "strength must be 1 to 3"),
        ({}, {"turns": [turn("x", "a", "y", "z") | {"strength": 1}]}, "no strength"),
        ({}, {"turns": [turn("x", "a", "y", "z")], "rules": {"q": "kept"}}, 'no rule "q"'),
    ],
)
def test_what_does_not_fit_is_told(settings: Any, answer: Any, says: str) -> None:
    question = ConversationQuestion.model_validate(settings)
    parsed = ConversationAnswer.model_validate(answer)
    assert says in CONVERSATION.check(question, parsed, ("", ""))


def test_who_won_more_turns() -> None:
    values = CONVERSATION.values
    even = ConversationAnswer.model_validate(TALK)
    first = ConversationAnswer.model_validate({"turns": [TALK["turns"][1]]})
    question = ConversationQuestion()
    assert values(question, even, ("", "")) == {"preference": {"": 0.0}}
    assert values(question, first, ("", "")) == {"preference": {"": 1.0}}
    assert CONVERSATION.matches(question, first, first)
    assert not CONVERSATION.matches(question, even, first)
