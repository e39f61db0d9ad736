"""DAPO's punishment of long responses."""

import pytest
import torch

from preftune.maths.overlong import soft_overlong_punishment


@pytest.mark.parametrize(
    ("length", "punishment"),
    [
        (1, 0.0),
        (16_384, 0.0),  # 20,480 − 4,096
        (17_408, -0.25),
        (18_432, -0.5),  # (16,384 − 18,432) / 4,096
        (20_480, -1.0),
        (30_000, -1.0),
    ],
)
def test_the_paper_s_own_lengths(length: int, punishment: float) -> None:
    lengths = torch.tensor([float(length)])
    found = soft_overlong_punishment(lengths_B=lengths, longest=20_480, buffer=4_096)
    assert found.tolist() == [punishment]
