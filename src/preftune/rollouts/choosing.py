"""The built-in judge: what probability a local model gives to each of several answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from preftune.judging import Answer, Question, normalised
from preftune.models import Renderer, Row, collate, micro_batches, response_logprobs
from preftune.records import BadInput, Message, Prompt, Text


def as_turns(text: Text, renderer: Renderer) -> Text:
    """A question as one turn of a user where the model has a chat template, else as it is."""
    if isinstance(text, str) and renderer.tokenizer.chat_template is not None:
        return (Message("user", text),)
    return text


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
        """An answer for each question, in order."""
        rows = [self._row(q, option) for q in questions for option in q.options]
        found = torch.zeros(len(rows), dtype=torch.float64)
        pad_id = int(self.renderer.tokenizer.pad_token_id)
        for indices in micro_batches([len(row) for row in rows], self.micro_batch_tokens):
            batch = collate([rows[i] for i in indices], pad_id, self.policy.device)
            logprobs = response_logprobs(self.policy, batch, 1.0).double()
            found[indices] = (logprobs * batch.action_mask_BT).sum(-1).cpu()
        return self._answers(questions, found)

    def _answers(self, questions: Sequence[Question], found: torch.Tensor) -> list[Answer]:
        answers: list[Answer] = []
        sizes = [len(question.options) for question in questions]
        for question, logprobs in zip(questions, found.split(sizes), strict=True):
            shares = logprobs.softmax(-1).tolist()
            given = dict(zip(question.options, shares, strict=True))
            answers.append(normalised(given, question.options))
        return answers

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
