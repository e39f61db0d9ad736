"""Files of items sent by a browser: the name is never used as a path, archives are refused."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from preftune.feedback.store.incoming import item_of
from preftune.feedback.store.nouns import NewItem
from preftune.records import BadInput

ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
MOST_ROWS = 200_000


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
    made = [item_of(row, line=line) for line, row in _rows(text)]
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
