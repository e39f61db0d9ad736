"""Plain text as rows to learn: what pretraining reads, and PPO where it mixes text in."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from preftune.data import Format, detect, load_demonstrations, load_documents, read_rows
from preftune.models import Row
from preftune.records import BadInput, flat


class Written(NamedTuple):
    """A text to learn, after a prompt that is only read (empty for plain documents)."""

    prompt: str
    body: str


def read_texts(paths: Sequence[Path]) -> list[Written]:
    """Every document of the files; of a prompt with a completion, both."""
    texts: list[Written] = []
    for path in paths:
        if detect(read_rows(path)[:50]) is Format.TEXT:
            texts += [Written("", document.text) for document in load_documents(path)]
        else:
            shown = load_demonstrations(path)
            texts += [Written(flat(row.prompt.text), row.completion) for row in shown]
    if not texts:
        raise BadInput("There is no text to pretrain on.", remedy="Name files with text rows.")
    return texts


def encoded(tokenizer: PreTrainedTokenizerBase, texts: Sequence[Written]) -> list[Row]:
    """The ids of prompts and bodies, nothing added."""
    prompts = tokenizer([text.prompt for text in texts], add_special_tokens=False)["input_ids"]
    bodies = tokenizer([text.body for text in texts], add_special_tokens=False)["input_ids"]
    return [Row(tuple(p), tuple(b)) for p, b in zip(prompts, bodies, strict=True)]


def document_rows(encoded: Sequence[Row], context: int, eos: int) -> list[Row]:
    """A document a row, after an end token; of a prompt with a completion only the completion is
    learned. What is longer than the context is cut."""
    heads = [(eos, *row.prompt_ids)[: context // 2] for row in encoded]
    return [
        Row(head, (*row.response_ids, eos)[: context - len(head)])
        for head, row in zip(heads, encoded, strict=True)
    ]
