"""Rows as tensors: where everything is, and that grouping changes nothing."""

import numpy as np
import pytest

from preftune.models import Row, collate, micro_batches
from tests.models.made import CPU


def test_prompts_end_and_responses_begin_in_one_column() -> None:
    batch = collate([Row((5, 6, 7), (8,)), Row((9,), (10, 11))], 1, CPU)
    assert batch.input_ids_BS.tolist() == [[5, 6, 7, 8, 1], [1, 1, 9, 10, 11]]
    assert batch.attention_mask_BS.int().tolist() == [[1, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
    assert batch.position_ids_BS.tolist() == [[0, 1, 2, 3, 3], [0, 0, 0, 1, 2]]
    assert batch.action_mask_BT.tolist() == [[True, False], [True, True]]
    assert batch.response_ids_BT.tolist() == [[8, 1], [10, 11]]


def test_the_pad_token_inside_a_response_is_read_as_a_token() -> None:
    batch = collate([Row((5,), (0, 0)), Row((5,), (7, 8))], 0, CPU)
    assert batch.action_mask_BT.tolist() == [[True, True], [True, True]]


@pytest.mark.parametrize("seed", range(20))
def test_micro_batches_hold_every_row_once_within_the_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 60, int(rng.integers(1, 40))).tolist()
    budget = int(rng.integers(64, 200))
    groups = micro_batches(lengths, budget)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in group) <= budget for group in groups)


def test_a_row_longer_than_the_budget_goes_alone() -> None:
    assert micro_batches([500, 3, 501], 64) == [[1], [0], [2]]


def test_a_micro_batch_is_filled_before_the_next_begins() -> None:
    assert micro_batches([30, 10, 20, 40], 60) == [[1, 2, 0], [3]]
    assert micro_batches([30, 30, 1], 60) == [[2, 0], [1]]
