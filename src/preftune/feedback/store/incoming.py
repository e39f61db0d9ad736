"""Dataset rows as items: what ``preftune label import`` and an upload make of a row."""

from collections.abc import Mapping, Sequence
from typing import Any

from preftune.artifacts import hash_value
from preftune.feedback.store.nouns import NewItem, Response
from preftune.records import BadInput

PAIRS = (("response_a", "response_b"), ("chosen", "rejected"))
LISTS = ("responses", "completions")
LESSON = ("gold", "training", "explanation", "priority", "selection_probability", "group_id")
"""Columns of the store's own, handed on as they are."""
NEVER_COLUMNS = frozenset(
    {"id", "prompt", "messages", "completion", "model", "models", "votes", *LESSON, *LISTS}
    | {name for pair in PAIRS for name in pair}
)


def item_of(row: Mapping[str, Any], *, separator: str = "\n", line: int | None = None) -> NewItem:
    """An item from one row in a format of the datasets.

    The prompt is ``prompt`` or the turns of ``messages`` (whose last turn, if the assistant's, is
    the response). Responses are ``responses`` or ``completions``, a pair ``response_a`` and
    ``response_b`` or ``chosen`` and ``rejected``, or one ``completion``; a list of steps (a row
    with ``labels``) is joined with ``separator``. The id is the row's, or a hash of the texts.
    Raises BadInput with the line.
    """
    prompt, texts = _prompt_and_texts(row, separator, line)
    named = row.get("models")
    models = named if isinstance(named, list) and len(named) == len(texts) else None
    models = models or [row.get("model")] * len(texts)
    responses = [
        Response(text, None if model is None else str(model))
        for text, model in zip(texts, models, strict=True)
    ]
    given = {name: row[name] for name in LESSON if row.get(name) is not None}
    return NewItem(
        id=str(row.get("id") or hash_value({"prompt": prompt, "responses": texts})[:16]),
        prompt=prompt,
        responses=responses,
        columns={name: value for name, value in row.items() if name not in NEVER_COLUMNS},
        **given,
    )


def _prompt_and_texts(
    row: Mapping[str, Any], separator: str, line: int | None
) -> tuple[Any, list[str]]:
    prompt: Any = row.get("prompt")
    if prompt is None and _is_turns(row.get("messages")):
        turns = list(row["messages"])
        if turns[-1]["role"] == "assistant":
            return _plain(turns[:-1]), [turns[-1]["content"]]
        return _plain(turns), []
    if not isinstance(prompt, str) and not _is_turns(prompt):
        raise BadInput(
            "A row has no prompt.",
            line=line,
            remedy='Give "prompt": a text, or turns with "role" and "content".',
        )
    texts = [_text(one, line) for one in _given(row)]
    if row.get("labels") is not None and texts:
        texts = [separator.join(texts)]
    return (prompt if isinstance(prompt, str) else _plain(prompt)), texts


def _given(row: Mapping[str, Any]) -> Sequence[Any]:
    for name in LISTS:
        if isinstance(row.get(name), list):
            return list(row[name])
    for first, second in PAIRS:
        if row.get(first) is not None and row.get(second) is not None:
            return [row[first], row[second]]
    return [] if row.get("completion") is None else [row["completion"]]


def _text(one: Any, line: int | None) -> str:
    """A response's text; of a conversation its last turn, of an object its ``text``."""
    if _is_turns(one):
        return str(one[-1]["content"])
    text = one.get("text") if isinstance(one, Mapping) else one
    if not isinstance(text, str):
        raise BadInput("A response is not a text.", line=line, remedy="Give it as a string.")
    return text


def _plain(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"role": str(turn["role"]), "content": str(turn["content"])} for turn in turns]


def _is_turns(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(t, Mapping) and {"role", "content"} <= set(t) for t in value)
    )
