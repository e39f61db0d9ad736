"""What was looked up a moment ago: saves the same question to the database many times a second."""

import time
from typing import Generic, TypeVar

Value = TypeVar("Value")

SECONDS = 1.0
MOST = 4096


class Recent(Generic[Value]):
    """Values by name, each for ``SECONDS`` only. Nothing that must be true at once belongs here."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Value]] = {}

    def get(self, name: str) -> Value | None:
        found = self._kept.get(name)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    def put(self, name: str, value: Value) -> Value:
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[name] = (time.monotonic() + SECONDS, value)
        return value

    def clear(self) -> None:
        self._kept.clear()
