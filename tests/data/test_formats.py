"""Which format a file has is read off its columns."""

from typing import Any

import pytest

from preftune.data import Format, detect
from preftune.records import BadInput

TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "t"}, "text"),
        ({"messages": TURNS}, "messages"),
        ({"prompt": "p"}, "prompt"),
        ({"prompt": TURNS[:1], "completion": TURNS[1:]}, "prompt_completion"),
        ({"prompt": "p", "chosen": "a", "rejected": "b"}, "preference"),
        ({"prompt": "p", "chosen": "a", "rejected": "b", "margin": 1}, "preference"),
        ({"chosen": TURNS, "rejected": TURNS}, "preference_implicit"),
        ({"prompt": "p", "completion": "c", "label": False}, "unpaired"),
        ({"prompt": "p", "completions": ["a"], "ranks": [1], "group_id": "g"}, "ranking"),
        ({"prompt": "p", "completion": "c", "ratings": {"x": 1}}, "rating"),
        ({"prompt": "p", "completions": ["a", "b"], "labels": [True, None]}, "stepwise"),
        ({"prompt": "p", "response_a": "a", "response_b": "b", "votes": []}, "votes"),
    ],
)
def test_every_format_is_known_by_its_columns(row: dict[str, Any], expected: str) -> None:
    assert detect([row]) == expected
    assert detect([row | {"id": 1, "source": "s"}]) == Format(expected)


def test_one_odd_row_does_not_change_the_format() -> None:
    assert (
        detect([{"prompt": "p", "completion": "c"}] * 3 + [{"prompt": "p"}]) == "prompt_completion"
    )
    assert detect([{"prompt": "p", "completion": None}] * 2 + [{"prompt": "p"}]) == "prompt"


def test_unknown_columns_are_named_with_the_nearest_right_one() -> None:
    with pytest.raises(BadInput) as caught:
        detect([{"promt": "p", "score": 1}], file="x.jsonl")
    error = caught.value
    assert error.sentence == 'There is no column "prompt" (columns: promt, score).'
    assert (error.file, error.line) == ("x.jsonl", 1)
    assert error.remedy.startswith('Rename "promt" to "prompt"')
