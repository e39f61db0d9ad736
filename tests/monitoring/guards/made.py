"""Histories of which it is known what a guard must say."""

from typing import Any

from preftune.recipe import Guards

DEFAULT = Guards()


def steady(count: int, **values: Any) -> list[dict[str, Any]]:
    """``count`` rows; a list gives a value each row, a number the same in all."""
    return [
        {"step": step + 1}
        | {
            name.replace("__", "/"): value[step] if isinstance(value, list) else value
            for name, value in values.items()
        }
        for step in range(count)
    ]


def then(before: float, now: float, count: int = 8) -> list[float]:
    """Three rows of one value, the rest of another: past the default start and window."""
    return [before] * 3 + [now] * (count - 3)
