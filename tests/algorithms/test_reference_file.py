"""What a reference said, kept under the hashes of rows, weights and number format."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from preftune.algorithms.reference_file import digest_of, kept_logprobs
from preftune.models import Row, compute_in
from preftune.records import BadInput
from tests.models.made import make_policy, make_rows

ROWS = make_rows(5)


class Asked:
    """Answers a number that no other row gets, and counts what it was asked."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def __call__(self, rows: Sequence[Row]) -> torch.Tensor:
        self.rows += rows
        return torch.tensor([-0.1 * sum(row.response_ids) for row in rows])


def expected(rows: Sequence[Row]) -> list[float]:
    return torch.tensor([-0.1 * sum(row.response_ids) for row in rows]).tolist()


def test_rows_are_asked_once_and_come_back_bit_for_bit(tmp_path: Path) -> None:
    here, asked = tmp_path / "reference.safetensors", Asked()
    first = kept_logprobs(make_policy(), ROWS, asked, here)
    again = kept_logprobs(make_policy(), list(reversed(ROWS)), asked, here)
    assert first.tolist() == expected(ROWS)
    assert again.tolist() == list(reversed(expected(ROWS)))
    assert asked.rows == ROWS
    assert load_file(here)["rows"].shape == (5, 16)


def test_another_run_s_numbers_are_taken_and_only_what_is_new_is_asked(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    kept_logprobs(make_policy(), ROWS[:3], Asked(), theirs)
    asked = Asked()
    told = kept_logprobs(make_policy(), ROWS, asked, ours, theirs)
    assert told.tolist() == expected(ROWS) and asked.rows == ROWS[3:]
    assert len(load_file(ours)["rows"]) == 5 and len(load_file(theirs)["rows"]) == 3


def test_another_reference_or_number_format_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "a.safetensors"
    kept_logprobs(make_policy(), ROWS, Asked(), theirs)
    with pytest.raises(BadInput, match="another reference"):
        kept_logprobs(make_policy(seed=1), ROWS, Asked(), tmp_path / "b.safetensors", theirs)
    half = make_policy()
    compute_in(half, torch.bfloat16)
    with pytest.raises(BadInput, match="another number format"):
        kept_logprobs(half, ROWS, Asked(), tmp_path / "b.safetensors", theirs)


def test_a_stage_s_own_file_of_another_reference_is_written_anew(tmp_path: Path) -> None:
    here, asked = tmp_path / "reference.safetensors", Asked()
    kept_logprobs(make_policy(), ROWS, Asked(), here)
    kept_logprobs(make_policy(seed=1), ROWS, asked, here)
    assert asked.rows == ROWS


@pytest.mark.parametrize("content", [b"", b"not safetensors"])
def test_a_file_of_something_else_is_told(content: bytes, tmp_path: Path) -> None:
    other = tmp_path / "x.safetensors"
    other.write_bytes(content)
    with pytest.raises(BadInput, match="no log-probabilities"):
        kept_logprobs(make_policy(), ROWS, Asked(), tmp_path / "b.safetensors", other)


def test_where_the_prompt_ends_is_part_of_a_row() -> None:
    rows = [Row((1, 2), (3,)), Row((1,), (2, 3)), Row((1, 2, 3), ()), Row((1, 2), (4,))]
    assert len({digest_of(row) for row in rows}) == 4
