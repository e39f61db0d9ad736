"""Text to token ids, the same way in training, sampling and scoring.

A row is the prompt's ids followed by the completion's ids and the end token. Prompt and
completion are tokenised apart, so that no merge crosses their border and a sampled completion's
ids can be scored as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase

from preftune.records import BadInput, Completion, Message, Prompt, Text


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt with one response, as token ids."""

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.response_ids)


@dataclass(slots=True)
class Fitted:
    """What fitting rows into a context did: counts of what was cut or left out."""

    truncated_prompts: int = 0
    truncated_completions: int = 0
    skipped: int = 0
    kept: list[int] = field(default_factory=list)
    """Indices of the rows that stayed."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """A tokenizer and the longest row it may make."""

    tokenizer: PreTrainedTokenizerBase
    context: int

    def prompt_ids(self, text: Text) -> tuple[int, ...]:
        """Ids of a prompt, ready to be continued; a conversation goes through its template."""
        if not isinstance(text, str):
            return self._conversation_ids(text)
        ids = list(self.tokenizer(text, add_special_tokens=True)["input_ids"])
        if ids and ids[-1] == self.tokenizer.eos_token_id and not text.endswith(self._eos):
            ids.pop()
        return tuple(ids) or (self._start,)

    def completion_ids(self, text: str, *, ended: bool = True) -> tuple[int, ...]:
        """Ids of a completion, with the end token unless it was cut off."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return (*ids, self.tokenizer.eos_token_id) if ended else tuple(ids)

    def row(self, prompt: Prompt, completion: str) -> Row:
        return Row(self.prompt_ids(prompt.text), self.completion_ids(completion))

    def rows(self, answers: Iterable[tuple[Text, str]]) -> list[Row]:
        """The row of each prompt with its completion; every text is read once, and all together."""
        return self._read([(prompt, text, True) for prompt, text in answers])

    def completion_rows(self, completions: Iterable[Completion]) -> list[Row]:
        """Sampled completions re-rendered from text, for a model with its own tokenizer."""
        return self._read([(c.prompt.text, c.text, c.stop_reason != "length") for c in completions])

    def _read(self, answers: Sequence[tuple[Text, str, bool]]) -> list[Row]:
        if not answers:
            return []
        prompts = {text: self.prompt_ids(text) for text in {text for text, _, _ in answers}}
        texts = list({text for _, text, _ in answers})
        read = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        written = {text: tuple(ids) for text, ids in zip(texts, read, strict=True)}
        end = self.tokenizer.eos_token_id
        return [
            Row(prompts[prompt], (*written[text], end) if ended else written[text])
            for prompt, text, ended in answers
        ]

    @property
    def _eos(self) -> str:
        return str(self.tokenizer.eos_token)

    @property
    def _start(self) -> int:
        bos = self.tokenizer.bos_token_id
        return int(bos if bos is not None else self.tokenizer.eos_token_id)

    def _conversation_ids(self, turns: Sequence[Message]) -> tuple[int, ...]:
        if self.tokenizer.chat_template is None:
            raise BadInput(
                "The data is conversational and the tokenizer has no chat template.",
                remedy="Set tokenizer.chat_template, or use string prompts.",
            )
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        ids = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        return tuple(ids)


def fit_rows(rows: Sequence[Row], longest: int, too_long: str) -> tuple[list[Row], Fitted]:
    """Makes every row at most ``longest`` tokens, by the recipe's policy.

    ``truncate_prompt_left`` drops the start of the prompt (a completion longer than the context
    loses its end, counted apart); ``skip`` leaves the row out; ``fail`` raises
    :class:`BadInput` naming the row.
    """
    fitted, kept = Fitted(), []
    for index, row in enumerate(rows):
        if len(row) > longest:
            if too_long == "fail":
                raise BadInput(
                    f"Row {index + 1} has {len(row)} tokens and the longest allowed is {longest}.",
                    remedy='Raise max_length, or set too_long = "truncate_prompt_left" or "skip".',
                )
            if too_long == "skip":
                fitted.skipped += 1
                continue
            row = _truncated(row, longest, fitted)
        kept.append(row)
        fitted.kept.append(index)
    if rows and not kept:
        raise BadInput(
            f"All {len(rows)} rows are longer than {longest} tokens, so none is left.",
            remedy="Raise max_length or use a model with a longer context.",
        )
    return kept, fitted


def fit_prompts(
    prompts: Sequence[tuple[int, ...]], longest: int, too_long: str
) -> tuple[list[tuple[int, ...]], Fitted]:
    """The same for prompts alone."""
    if longest < 1:
        raise BadInput(
            "The model's context leaves no room for a prompt.",
            remedy="Lower sampling.max_new_tokens.",
        )
    rows, fitted = fit_rows([Row(ids, ()) for ids in prompts], longest, too_long)
    return [row.prompt_ids for row in rows], fitted


def _truncated(row: Row, longest: int, fitted: Fitted) -> Row:
    response = row.response_ids
    if len(response) > longest - 1:
        fitted.truncated_completions += 1
        response = response[: longest - 1]
    room = longest - len(response)
    if len(row.prompt_ids) > room:
        fitted.truncated_prompts += 1
    return Row(row.prompt_ids[-room:], response)
