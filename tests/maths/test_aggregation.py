"""Four means of one table; three add up over any split of a step, the fourth does not."""

from collections.abc import Callable

import pytest
import torch

from preftune.maths.aggregation import (
    constant_mean,
    local_token_mean,
    sequence_mean,
    token_mean,
)

NAN = float("nan")
LENGTHS = (1, 4, 2, 3)
MASK = torch.arange(4) < torch.tensor(LENGTHS).unsqueeze(-1)
LOSSES = torch.tensor(
    [[8.0, NAN, NAN, NAN], [1.0, 2.0, 3.0, 6.0], [4.0, 0.0, NAN, NAN], [3.0, 3.0, 0.0, NAN]],
    dtype=torch.float64,
)
Mean = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# The counts of the whole step, which holds these four responses of ten tokens.
MEANS: dict[str, Mean] = {
    "sequence_mean": lambda x, m: sequence_mean(losses_BT=x, action_mask_BT=m, responses=4),
    "token_mean": lambda x, m: token_mean(losses_BT=x, action_mask_BT=m, tokens=10),
    "constant_mean": lambda x, m: constant_mean(
        losses_BT=x, action_mask_BT=m, responses=4, longest=5
    ),
    "local_token_mean": lambda x, m: local_token_mean(losses_BT=x, action_mask_BT=m, responses=4),
}
KEPT = [name for name in MEANS if name != "local_token_mean"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence_mean", 3.75),  # (8 + 12/4 + 4/2 + 6/3) / 4 = (8 + 3 + 2 + 2) / 4
        ("token_mean", 3.0),  # (8 + 12 + 4 + 6) / 10
        ("constant_mean", 1.5),  # 30 / (4 · 5)
        ("local_token_mean", 3.0),  # in one piece it is the token mean
    ],
)
def test_hand_values(name: str, value: float) -> None:
    assert MEANS[name](LOSSES, MASK).item() == pytest.approx(value, abs=1e-12)


def gradients(mean: Mean, parts: list[list[int]]) -> tuple[float, torch.Tensor]:
    """Value and gradient of the step, its rows in these parts one after another."""
    losses = LOSSES.clone().requires_grad_()
    total = 0.0
    for rows in parts:
        part = mean(losses[rows], MASK[rows])
        part.backward()
        total += part.item()
    assert losses.grad is not None
    return total, losses.grad


@pytest.mark.parametrize("parts", [[[0, 1], [2, 3]], [[3], [1, 0], [2]], [[2, 1, 3, 0]]])
@pytest.mark.parametrize("name", KEPT)
def test_micro_batches_accumulation_and_shards_change_nothing(
    name: str, parts: list[list[int]]
) -> None:
    """Accumulated micro-batches and the sum of two shards' gradients are the same thing here."""
    whole, split = gradients(MEANS[name], [[0, 1, 2, 3]]), gradients(MEANS[name], parts)
    assert split[0] == pytest.approx(whole[0], abs=1e-12)
    assert torch.allclose(split[1], whole[1], atol=1e-15)


def test_the_local_token_mean_depends_on_the_split() -> None:
    """Rows 0 and 1 have 5 tokens, rows 2 and 3 too; rows 0 and 2 have 3, rows 1 and 3 have 7."""
    mean = MEANS["local_token_mean"]
    even, _ = gradients(mean, [[0, 1], [2, 3]])  # ½ 20/5 + ½ 10/5 = 3
    uneven, slope = gradients(mean, [[0, 2], [1, 3]])  # ½ 12/3 + ½ 18/7 = 3.2857
    assert even == pytest.approx(3.0)
    assert uneven == pytest.approx(2 + 9 / 7)
    assert slope[0, 0].item() == pytest.approx(1 / 6), "a token among three counts for more"
    assert slope[1, 0].item() == pytest.approx(1 / 14)


@pytest.mark.parametrize("name", MEANS)
def test_what_is_masked_is_not_seen(name: str) -> None:
    value, slope = gradients(MEANS[name], [[0, 1, 2, 3]])
    assert value == value, "the table holds NaN where masked"
    assert (slope[~MASK] == 0).all() and (slope[MASK] > 0).all()


@pytest.mark.parametrize("name", MEANS)
def test_order_changes_nothing(name: str) -> None:
    order = [2, 0, 3, 1]
    mean = MEANS[name]
    assert mean(LOSSES[order], MASK[order]).item() == pytest.approx(mean(LOSSES, MASK).item())


def test_what_one_token_counts_for() -> None:
    """Of a response of 1 token and one of 4: the same by tokens, four to one by sequences."""
    slopes = {name: gradients(MEANS[name], [[0, 1, 2, 3]])[1] for name in KEPT}
    ratios = {name: (slope[0, 0] / slope[1, 0]).item() for name, slope in slopes.items()}
    assert ratios == pytest.approx({"sequence_mean": 4, "token_mean": 1, "constant_mean": 1})
