"""Files of items sent by a browser: the name is never used as a path, archives are refused."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from preftune.artifacts import hash_value
from preftune.feedback.store.nouns import NewItem, Response
from preftune.records import BadInput

ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
MOST_ROWS = 200_000
PAIRS = (("response_a", "response_b"), ("chosen", "rejected"))
LISTS = ("responses", "completions")
OWN = {
    "id", "prompt", "messages", "completion", "model", "models", "gold", "training",
    "explanation", "priority", "selection_probability", "group_id", *LISTS, *sum(PAIRS, ()),
}  # fmt: skip
LESSON = ("gold", "training", "explanation", "priority", "selection_probability", "group_id")


def items_of(data: bytes) -> list[NewItem]:
    """The items of a JSON Lines file (or one JSON list), as ``preftune label import`` reads them.

    A row has ``prompt`` (text or turns) and its responses as ``responses``, ``response_a`` and
    ``response_b``, ``chosen`` and ``rejected``, or one ``completion``; ``id`` if it has one.
    Raises BadInput with the line.
    """
    if data.startswith(ARCHIVES) or b"\x00" in data[:4096]:
        raise BadInput(
            "This is an archive or a binary file; nothing in it was read.",
            remedy="Send JSON Lines: one row a line, UTF-8.",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"Byte {error.start} is not UTF-8.", remedy="Save the file as UTF-8."
        ) from None
    made = [_item(row, line) for line, row in _rows(text)]
    if not made:
        raise BadInput("The file has no rows.", remedy="Send JSON Lines: one row a line.")
    return made


def _rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if text.lstrip().startswith("["):
        whole = _parsed(text, 1)
        numbered = list(enumerate(whole if isinstance(whole, list) else [], 1))
    else:
        lines = enumerate(text.split("\n"), 1)
        numbered = [(number, _parsed(line, number)) for number, line in lines if line.strip()]
    if len(numbered) > MOST_ROWS:
        raise BadInput(
            f"The file has more than {MOST_ROWS:,} rows.",
            remedy="Split it, or use preftune label import.",
        )
    for number, row in numbered:
        if not isinstance(row, dict):
            raise BadInput("A row is not an object.", line=number, remedy='Like {"prompt": …}.')
        yield number, row


def _parsed(text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        remedy = "Each line is one JSON object."
        raise BadInput(f"This is not JSON: {str(error)[:120]}.", line=line, remedy=remedy) from None


def _item(row: Mapping[str, Any], line: int) -> NewItem:
    prompt = row.get("prompt", row.get("messages"))
    if not isinstance(prompt, str) and not _turns(prompt):
        raise BadInput(
            "A row has no prompt.",
            line=line,
            remedy='Give "prompt": a text, or turns with "role" and "content".',
        )
    texts = _responses(row, line)
    models = row.get("models") or [row.get("model")] * len(texts)
    models = (
        models if isinstance(models, list) and len(models) == len(texts) else [None] * len(texts)
    )
    responses = [
        Response(text, None if model is None else str(model))
        for text, model in zip(texts, models, strict=True)
    ]
    name = str(row.get("id") or hash_value({"prompt": prompt, "responses": texts})[:16])
    columns = {key: value for key, value in row.items() if key not in OWN}
    given = {key: row[key] for key in LESSON if row.get(key) is not None}
    return NewItem(id=name, prompt=prompt, responses=responses, columns=columns, **given)


def _turns(prompt: Any) -> bool:
    return (
        isinstance(prompt, list)
        and bool(prompt)
        and all(
            isinstance(turn, dict)
            and isinstance(turn.get("role"), str)
            and isinstance(turn.get("content"), str)
            for turn in prompt
        )
    )


def _responses(row: Mapping[str, Any], line: int) -> list[str]:
    """The responses as texts; those of a conversation are its last turn."""
    given: list[Any] = next((row[key] for key in LISTS if isinstance(row.get(key), list)), [])
    for first, second in PAIRS:
        if not given and first in row and second in row:
            given = [row[first], row[second]]
    if not given and row.get("completion") is not None:
        given = [row["completion"]]
    texts = []
    for one in given:
        text = one[-1].get("content") if _turns(one) else one
        text = text.get("text") if isinstance(text, dict) else text
        if not isinstance(text, str):
            raise BadInput("A response is not a text.", line=line, remedy="Give it as a string.")
        texts.append(text)
    return texts
