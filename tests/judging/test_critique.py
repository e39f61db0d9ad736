"""One round of critique and revision, with a writer whose words are known."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from preftune.judging import (
    NoVerdict,
    Requests,
    Template,
    answered,
    load_constitution,
    load_exemplars,
    revise,
)
from preftune.records import BadInput, Message, Prompt

HARM, TRUTH = (
    next(p for p in load_constitution().principles if p.id == name) for name in ("harm", "truth")
)
PROMPTS = [Prompt("How?"), Prompt((Message("user", "Why?"),)), Prompt("When?")]


class Writer:
    """Says what it is told to, in turn, and keeps what it was asked."""

    def __init__(self, *answers: list[str | NoVerdict]) -> None:
        self.answers, self.asked = list(answers), []

    def __call__(self, prompts: Sequence[Prompt]) -> list[str | NoVerdict]:
        self.asked.append([str(prompt.text) for prompt in prompts])
        return self.answers.pop(0)


def test_the_critique_goes_into_the_revision() -> None:
    write = Writer(["It tells how.", "It made that up."], ["I can't.", "I don't know."])
    found = revise(PROMPTS[:2], ["Like this.", "Because."], [HARM, TRUTH], write)
    assert [(r.principle, r.critique, r.text) for r in found] == [
        ("harm", "It tells how.", "I can't."),
        ("truth", "It made that up.", "I don't know."),
    ]
    critiques, revisions = write.asked
    assert HARM.critique in critiques[0] and "How?\n\nAssistant: Like this." in critiques[0]
    assert "User: Why?\n\nAssistant: Because." in critiques[1] and TRUTH.critique in critiques[1]
    assert HARM.revision in revisions[0] and "It tells how." in revisions[0]
    assert HARM.critique not in revisions[0] and "Like this." in revisions[0]


def test_what_did_not_come_leaves_the_answer_alone() -> None:
    """The first critique fails, the second is empty: only the third is revised, and ends where the
    model opens a section of its own."""
    gone = NoVerdict("failed", "gone")
    write = Writer([gone, "  ", "Wrong day."], ["On Monday.\n[abc what is asked]\nmore"])
    found = revise(PROMPTS, ["a", "b", "c"], [TRUTH] * 3, write)
    assert [r.text for r in found] == [None, None, "On Monday."]
    assert [r.critique for r in found] == [None, None, "Wrong day."]
    assert [len(asked) for asked in write.asked] == [3, 1]


def test_exemplars_stand_before_the_request() -> None:
    exemplars = load_exemplars()
    assert len(exemplars) == 2
    write = Writer(["x"], ["y"])
    revise(PROMPTS[:1], ["a"], [HARM], write, exemplars)
    (critique,), (revision,) = write.asked
    for example in exemplars:
        assert critique.index(example.critique) < critique.index("How?")
        assert example.revision not in critique
        assert revision.index(example.revision) < revision.index("How?")


@pytest.mark.parametrize("text", ["[[exemplars]]\nconversation = 'x'\n", "[[", None])
def test_exemplars_that_cannot_be_used_are_told(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput, match="exemplars cannot be used") as error:
        load_exemplars(path)
    assert error.value.file == str(path)


def test_requests_in_words_of_ones_own() -> None:
    words = Requests(
        Template("c", "{{conversation}} / {{request}}"), Template("r", "{{critique}} / {{request}}")
    )
    write = Writer(["It tells how."], ["No."])
    revise(PROMPTS[:1], ["Like this."], [HARM], write, requests=words)
    assert write.asked == [
        [f"{answered(PROMPTS[0], 'Like this.')} / {HARM.critique}"],
        [f"It tells how. / {HARM.revision}"],
    ]
