"""Random steps of rows with different lengths, and a loss's gradient in parts."""

from collections.abc import Callable

import numpy as np
import torch

NAN = float("nan")
Loss = Callable[[dict[str, torch.Tensor], torch.Tensor], torch.Tensor]
"""The loss of some rows: their tables (``now`` with gradient) and their mask."""


def ragged_step(seed: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Log-probabilities now, then and of a reference, advantages [B]; 12 tokens in 3 rows."""
    rng = np.random.default_rng(seed)
    mask = torch.tensor(np.arange(6) < np.array([6, 2, 4])[:, None])
    tables = {
        name: torch.tensor(rng.normal(-1, 0.3, (3, 6))) for name in ("now", "old", "reference")
    }
    return tables | {"advantages": torch.tensor(rng.normal(0, 1, 3))}, mask


def in_parts(
    loss_of: Loss, tables: dict[str, torch.Tensor], mask: torch.Tensor, parts: list[list[int]]
) -> tuple[float, torch.Tensor]:
    """Loss and gradient by the log-probabilities, accumulated over these rows."""
    now = tables["now"].clone().requires_grad_()
    total = 0.0
    for rows in parts:
        part = {name: table[rows] for name, table in (tables | {"now": now}).items()}
        loss = loss_of(part, mask[rows])
        loss.backward()
        total += loss.item()
    assert now.grad is not None
    return total, now.grad


def check_promises(loss_of: Loss) -> None:
    """Splits and shards add up, order is free, what is masked is not seen, slopes are slopes."""
    for side in (1, -1):
        tables, mask = ragged_step(3)
        mask = mask if side == 1 else mask.flip(-1)
        loss, slope = in_parts(loss_of, tables, mask, [[0, 1, 2]])
        for parts in ([[1], [2, 0]], [[2], [1], [0]], [[2, 0, 1]]):
            again = in_parts(loss_of, tables, mask, parts)
            assert abs(again[0] - loss) < 1e-12
            assert torch.allclose(again[1], slope, atol=1e-12)
        poisoned = {
            name: torch.where(mask, table, NAN) if table.ndim > 1 else table
            for name, table in tables.items()
        }
        again = in_parts(loss_of, poisoned, mask, [[0, 1, 2]])
        assert abs(again[0] - loss) < 1e-12
        assert torch.equal(again[1], slope)
        assert (slope[~mask] == 0).all() and (slope[mask] != 0).any()


def check_slopes(loss_of: Loss) -> None:
    """The gradient is that of finite differences."""
    tables, mask = ragged_step(4)
    _, slope = in_parts(loss_of, tables, mask, [[0, 1, 2]])
    for place in ((0, 0), (0, 5), (1, 1), (2, 3), (2, 5)):
        sides = []
        for shift in (1e-6, -1e-6):
            moved = {key: table.clone() for key, table in tables.items()}
            moved["now"][place] += shift
            sides.append(in_parts(loss_of, moved, mask, [[0, 1, 2]])[0])
        difference = (sides[0] - sides[1]) / 2e-6
        assert abs(difference - float(slope[place])) < 1e-6, place
