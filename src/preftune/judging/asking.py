"""Putting questions to whoever judges: a model that chooses, one that writes, an endpoint.

Everything here asks many questions at once and has one outcome for each: probabilities over the
question's options, or :class:`NoVerdict`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from preftune.judging.verdicts import NoVerdict, normalised, read_choice
from preftune.records import Choose, Generate, Prompt, Sampling


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and the options one of which is the answer."""

    prompt: Prompt
    options: tuple[str, ...]


Answer = Mapping[str, float] | NoVerdict
"""Probabilities over the options that sum to 1, or why there are none."""


class Ask(Protocol):
    """One answer for each question, in order."""

    def __call__(self, questions: Sequence[Question]) -> list[Answer]: ...


class Write(Protocol):
    """One text for each prompt, in order, or why there is none."""

    def __call__(self, prompts: Sequence[Prompt]) -> list[str | NoVerdict]: ...


def asking(choose: Choose) -> Ask:
    """Any :class:`preftune.records.Choose` as a judge, one question after another."""

    def ask(questions: Sequence[Question]) -> list[Answer]:
        return [
            normalised(choose(question.prompt, question.options), question.options)
            for question in questions
        ]

    return ask


def asking_writer(write: Write) -> Ask:
    """A judge that only writes: the option it names has probability 1."""

    def ask(questions: Sequence[Question]) -> list[Answer]:
        texts = write([question.prompt for question in questions])
        return [_named(text, q.options) for text, q in zip(texts, questions, strict=True)]

    return ask


def writing(generate: Generate, sampling: Sampling) -> Write:
    """Any :class:`preftune.records.Generate` as a writer."""

    def write(prompts: Sequence[Prompt]) -> list[str | NoVerdict]:
        if not prompts:
            return []
        return [completion.text for completion in generate(prompts, sampling)]

    return write


def _named(text: str | NoVerdict, options: tuple[str, ...]) -> Answer:
    if isinstance(text, NoVerdict):
        return text
    choice = read_choice(text, options)
    if isinstance(choice, NoVerdict):
        return choice
    return {option: float(option == choice) for option in options}
