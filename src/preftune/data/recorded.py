"""Records back to rows: the inverse of the loaders."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preftune.data.writing import write_rows
from preftune.records import (
    Comparison,
    Demonstration,
    Document,
    Judged,
    Prompt,
    Ranking,
    Rating,
    Rewarded,
    Stepwise,
    Text,
    VotedPair,
)

OTHER_FORMATS = frozenset(
    {"messages", "response_a", "response_b", "completions", "ranks", "labels"}
)
"""Columns that would make a written row look like one of another format."""


def text_cell(text: Text) -> Any:
    """A prompt as a cell: a string, or a list of ``{"role","content"}``."""
    if isinstance(text, str):
        return text
    return [{"role": turn.role, "content": turn.content} for turn in text]


def answer_cell(prompt: Text, answer: str) -> Any:
    """A completion as a cell, in the form its prompt has."""
    if isinstance(prompt, str):
        return answer
    return [{"role": "assistant", "content": answer}]


def to_row(record: object) -> dict[str, Any]:
    """The dataset row of a record, with the other columns of the row it came from.

    Comparisons get ``probability``, ``margin`` and ``weight`` only where they say something.
    Raises TypeError for anything that is no record of a dataset.
    """
    match record:
        case Document():
            return {"text": record.text}
        case Prompt():
            return _with(record.columns, {"prompt": text_cell(record.text)})
        case Comparison():
            return _comparison_row(record)
        case VotedPair():
            return _voted_row(record)
        case Ranking():
            return _ranking_row(record)
        case Stepwise():
            return _stepwise_row(record)
        case Demonstration() | Judged() | Rating() | Rewarded():
            return _completion_row(record)
    raise TypeError(f"{type(record).__name__} is no record of a dataset")


def write_records(path: str | Path, records: Sequence[object]) -> None:
    """Write records as rows; the ending of ``path`` decides the file type (see ``write_rows``)."""
    write_rows(path, [to_row(record) for record in records])


def _with(columns: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The record's own columns first, then the others it came with."""
    kept = {
        name: value
        for name, value in columns.items()
        if name not in own and name not in OTHER_FORMATS
    }
    return {**own, **kept}


def _comparison_row(pair: Comparison) -> dict[str, Any]:
    text = pair.prompt.text
    own: dict[str, Any] = {
        "prompt": text_cell(text),
        "chosen": answer_cell(text, pair.chosen),
        "rejected": answer_cell(text, pair.rejected),
    }
    for name, value, usual in (
        ("probability", pair.probability, 1.0),
        ("margin", pair.margin, 0.0),
        ("weight", pair.weight, 1.0),
    ):
        if value != usual or name in pair.columns:
            own[name] = value
    return _with(pair.columns, own)


def _voted_row(pair: VotedPair) -> dict[str, Any]:
    text = pair.prompt.text
    raw = pair.columns.get("votes")
    votes = [
        {"annotator": vote.annotator, "vote": vote.vote}
        | ({"group": vote.group} if vote.group else {})
        for vote in pair.votes
    ]
    if isinstance(raw, list) and len(raw) == len(votes):  # keep what else a vote said
        votes = [dict(old) | new for old, new in zip(raw, votes, strict=True)]
    own = {
        "prompt": text_cell(text),
        "response_a": answer_cell(text, pair.response_a),
        "response_b": answer_cell(text, pair.response_b),
        "votes": votes,
    }
    return _with(pair.columns, own)


def _ranking_row(ranking: Ranking) -> dict[str, Any]:
    text = ranking.prompt.text
    own = {
        "prompt": text_cell(text),
        "completions": [answer_cell(text, answer) for answer in ranking.completions],
        "ranks": list(ranking.ranks),
        "group_id": ranking.group_id,
    }
    return _with(ranking.prompt.columns, own)


def _stepwise_row(record: Stepwise) -> dict[str, Any]:
    own = {
        "prompt": text_cell(record.prompt.text),
        "completions": list(record.steps),
        "labels": list(record.labels),
    }
    return _with(record.prompt.columns, own)


def _completion_row(record: Demonstration | Judged | Rating | Rewarded) -> dict[str, Any]:
    text = record.prompt.text
    own: dict[str, Any] = {
        "prompt": text_cell(text),
        "completion": answer_cell(text, record.completion),
    }
    if isinstance(record, Judged):
        own["label"] = record.label
    if isinstance(record, Rating):
        own["ratings"] = dict(record.ratings)
    if isinstance(record, Rewarded):
        own["reward"] = record.reward
    split = isinstance(record, Judged | Rewarded)
    drop = {"chosen", "rejected", "votes"} if split else set()
    kept = {name: v for name, v in record.prompt.columns.items() if name not in drop}
    return _with(kept, own)
