"""Where steps end, and the three ways to make one score of many."""

import math

import pytest
import torch

from preftune.maths.steps import every_step, last_step, step_end_mask, worst_step

END, PAD, LINE, MERGED = 0, 1, 9, 8


def ends_of(*tokens: int, width: int = 9) -> list[int]:
    row = torch.full((1, width), PAD)
    row[0, : len(tokens)] = torch.tensor(tokens)
    mask = step_end_mask(
        tokens_BT=row,
        action_mask_BT=torch.arange(width).unsqueeze(0) < len(tokens),
        separators_N=torch.tensor([MERGED, LINE]),
        end_token=END,
    )
    return torch.nonzero(mask[0]).flatten().tolist()


@pytest.mark.parametrize(
    ("tokens", "ends"),
    [
        ((40, 41, LINE, 42, END), [2, 4]),
        ((40, MERGED, 42, END), [1, 3]),
        ((40, LINE, 42, LINE, END), [1, 3]),
        ((40, LINE, 42), [1, 2]),
        ((40, LINE, LINE, 42, END), [1, 4]),
        ((LINE, 40, END), [2]),
        ((40, 41, END), [2]),
        ((END,), [0]),
        ((LINE, END), [1]),
        ((40, LINE), [1]),
        ((LINE,), [0]),
    ],
)
def test_ends(tokens: tuple[int, ...], ends: list[int]) -> None:
    assert ends_of(*tokens) == ends
    assert ends_of(*tokens, width=14) == ends, "padding is no step"


def test_one_score_of_three_steps() -> None:
    """Log-odds 2, −1, 1 with probabilities .880797, .268941, .731059: the worst is −1, the last 1,
    and the log of their product ln .173173 = −1.753451."""
    nan = float("nan")
    scores = torch.tensor([[nan, 2.0, nan, -1.0, 1.0, nan]], dtype=torch.float64)
    mask = ~scores.isnan()
    assert worst_step(scores_BT=scores, step_mask_BT=mask).item() == -1.0
    assert last_step(scores_BT=scores, step_mask_BT=mask).item() == 1.0
    product = every_step(scores_BT=scores, step_mask_BT=mask).item()
    assert product == pytest.approx(-1.753451, abs=1e-6)
    assert math.exp(product) == pytest.approx(0.880797 * 0.268941 * 0.731059, abs=1e-6)


def test_of_three_steps_the_last_counts_once() -> None:
    """(2, −3, 5): all but the last would add up to −1, and all of them to 4."""
    scores = torch.tensor([[2.0, -3.0, 5.0]])
    assert last_step(scores_BT=scores, step_mask_BT=torch.ones(1, 3, dtype=torch.bool)) == 5
