"""The built-in judge: what probability a local model gives to each of several answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.judging import Answer, Question, normalised
from preftune.models import Renderer, Row, collate, micro_batches, response_logits
from preftune.records import BadInput, Message, Prompt, Text


def as_turns(text: Text, renderer: Renderer) -> Text:
    """A question as one turn of a user where the model has a chat template, else as it is."""
    if isinstance(text, str) and renderer.tokenizer.chat_template is not None:
        return (Message("user", text),)
    return text


@dataclass(frozen=True, slots=True)
class _Reading:
    """One row to read: the option in it, or where ``tokens`` are given these as the next token."""

    row: Row
    tokens: tuple[int, ...]


@dataclass(slots=True)
class NativeChoose:
    """A policy that chooses: a :class:`preftune.records.Choose`, and :meth:`ask` for many.

    P(option) is proportional to the likelihood of the option's tokens after the prompt, so
    options that start alike are told apart only by what follows. A prompt longer than the context
    loses its start, which ``truncated`` counts.
    """

    policy: PreTrainedModel
    renderer: Renderer
    micro_batch_tokens: int = 8192
    truncated: int = 0

    def __call__(self, prompt: Prompt, options: Sequence[str]) -> dict[str, float]:
        """Probabilities that sum to 1. Raises :class:`BadInput` when no option fits."""
        (answer,) = self.ask([Question(prompt, tuple(options))])
        assert isinstance(answer, dict)
        return answer

    @torch.no_grad()
    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """An answer for each question, in order; options of one token each are read together."""
        readings = [self._readings(question) for question in questions]
        told = iter(self._read([reading for each in readings for reading in each]))
        answers: list[Answer] = []
        for question, each in zip(questions, readings, strict=True):
            logprobs = torch.cat([next(told) for _ in each])
            given = dict(zip(question.options, logprobs.softmax(-1).tolist(), strict=True))
            answers.append(normalised(given, question.options))
        return answers

    def _readings(self, question: Question) -> list[_Reading]:
        rows = [self._row(question, option) for option in question.options]
        if all(len(row.response_ids) == 1 for row in rows):
            return [_Reading(rows[0], tuple(row.response_ids[0] for row in rows))]
        return [_Reading(row, ()) for row in rows]

    def _read(self, readings: Sequence[_Reading]) -> list[torch.Tensor]:
        """Of each reading the log-probabilities of its options: one number, or one a token."""
        found: list[torch.Tensor] = [torch.empty(0)] * len(readings)
        pad_id = int(self.renderer.tokenizer.pad_token_id)
        lengths = [len(reading.row) for reading in readings]
        for indices in micro_batches(lengths, self.micro_batch_tokens):
            rows = [readings[i].row for i in indices]
            batch = collate(rows, pad_id, self.policy.device)
            logprobs_BTV = response_logits(self.policy, batch).float().log_softmax(-1)
            for index, row, logprobs_TV in zip(indices, rows, logprobs_BTV, strict=True):
                if readings[index].tokens:
                    picked = logprobs_TV[0, list(readings[index].tokens)]
                else:
                    places = torch.arange(len(row.response_ids))
                    picked = logprobs_TV[places, list(row.response_ids)].sum().unsqueeze(0)
                found[index] = picked.double().cpu()
        return found

    def _row(self, question: Question, option: str) -> Row:
        """A conversation's answer begins with the option; running text goes on with a blank."""
        chat = self.renderer.tokenizer.chat_template is not None
        turns = as_turns(question.prompt.text, self.renderer)
        answer = self.renderer.completion_ids(option if chat else f" {option}", ended=False)
        room = self.renderer.context - len(answer)
        if room < 1:
            raise BadInput("The model's context leaves no room for a question.")
        prompt_ids = self.renderer.prompt_ids(turns)
        self.truncated += len(prompt_ids) > room
        return Row(prompt_ids[-room:], answer)
