"""What to warn about in sound records: duplicates, contradictions, empty prompts."""

from collections.abc import Hashable, Sequence

from preftune.data.faults import Notice
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
    VotedPair,
    flat,
)

NAMED_LINES = 10
Record = (
    Comparison
    | Demonstration
    | Document
    | Judged
    | Prompt
    | Ranking
    | Rating
    | Rewarded
    | Stepwise
    | VotedPair
)


def notices(records: Sequence[object], lines: Sequence[int]) -> tuple[Notice, ...]:
    """The warnings about records that stand on ``lines``; each names its first lines."""
    found = [
        _notice(
            "duplicate",
            "{n} rows repeat an earlier row.",
            [later for _, later in duplicates(records, lines)],
        ),
        _notice(
            "contradictory_pair",
            "{n} pairs are the reverse of another pair of the same prompt.",
            [later for _, later in contradictions(records, lines)],
        ),
        _notice("empty_prompt", "{n} rows have an empty prompt.", _empty_prompts(records, lines)),
    ]
    return tuple(notice for notice in found if notice)


def _notice(kind: str, sentence: str, lines: Sequence[int]) -> Notice | None:
    if not lines:
        return None
    return Notice(kind, sentence.format(n=len(lines)), len(lines), tuple(lines[:NAMED_LINES]))


def duplicates(records: Sequence[object], lines: Sequence[int]) -> list[tuple[int, int]]:
    """(first line, later line) for each record that says what an earlier one said."""
    first: dict[Hashable, int] = {}
    found = []
    for record, line in zip(records, lines, strict=True):
        key = identity(record)
        if key in first:
            found.append((first[key], line))
        else:
            first[key] = line
    return found


def contradictions(records: Sequence[object], lines: Sequence[int]) -> list[tuple[int, int]]:
    """(first line, later line) for each pair that an earlier row has the other way round."""
    first: dict[Hashable, int] = {}
    found = []
    for record, line in zip(records, lines, strict=True):
        if not isinstance(record, Comparison):
            continue
        prompt = flat(record.prompt.text)
        reverse = (prompt, record.rejected, record.chosen)
        if reverse in first:
            found.append((first[reverse], line))
        first.setdefault((prompt, record.chosen, record.rejected), line)
    return found


def _empty_prompts(records: Sequence[object], lines: Sequence[int]) -> list[int]:
    found = []
    for record, line in zip(records, lines, strict=True):
        prompt = prompt_of(record)
        if prompt is not None and not _says_something(prompt):
            found.append(line)
    return found


def _says_something(prompt: Prompt) -> bool:
    if isinstance(prompt.text, str):
        return bool(prompt.text.strip())
    return any(turn.content.strip() for turn in prompt.text)


def prompt_of(record: object) -> Prompt | None:
    """The prompt of any record; None for a document."""
    if isinstance(record, Prompt):
        return record
    prompt = getattr(record, "prompt", None)
    return prompt if isinstance(prompt, Prompt) else None


def responses_of(record: object) -> dict[str, str]:
    """The completions of any record, by the name of their column."""
    match record:
        case Document():
            return {"text": record.text}
        case Comparison():
            return {"chosen": record.chosen, "rejected": record.rejected}
        case VotedPair():
            return {"response_a": record.response_a, "response_b": record.response_b}
        case Ranking():
            return {f"completions[{i}]": text for i, text in enumerate(record.completions)}
        case Stepwise():
            return {"completions": "\n".join(record.steps)}
        case Demonstration() | Judged() | Rating() | Rewarded():
            return {"completion": record.completion}
    return {}


def identity(record: object) -> Hashable:
    """What makes a record the same as another: its prompt, its texts and what was said of them."""
    prompt = prompt_of(record)
    said: Hashable = ()
    match record:
        case Judged():
            said = record.label
        case Rewarded():
            said = record.reward
        case Ranking():
            said = record.ranks
        case Rating():
            said = tuple(sorted(record.ratings.items()))
        case Stepwise():
            said = record.labels
    return (None if prompt is None else flat(prompt.text), *responses_of(record).values(), said)
