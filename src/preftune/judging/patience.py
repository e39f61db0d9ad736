"""When to ask again: backoff, what the endpoint asks for, and a limit on requests a minute."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock

FIRST_WAIT = 0.5
"""Seconds before the second try; each later wait is twice as long."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds that only go forward, the time of day, and waiting."""

    now: Callable[[], float] = time.monotonic
    today: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep


def backoff(attempt: int, key: str, longest: float) -> float:
    """Seconds to wait after try ``attempt`` (0 is the first), without the endpoint's own wish.

    FIRST_WAIT · 2^attempt, times ½ to 1 so that requests do not come back together; the share
    comes from the request's hash and the attempt, not from a clock.
    """
    digest = hashlib.sha256(f"{key}{attempt}".encode()).digest()
    share = 0.5 + digest[0] / 510
    return min(longest, FIRST_WAIT * 2.0**attempt * share)


def asked_wait(header: str | None, today: datetime) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110 §10.2.3), None without one.

    It is a number of seconds or a date; what is neither is taken for absent.
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header.strip())
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - today).total_seconds())


@dataclass(slots=True)
class RateLimit:
    """At most so many requests a minute, evenly spaced; None is no limit."""

    per_minute: float | None
    clock: Clock
    _next: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def wait(self) -> None:
        """Returns when a request may be sent."""
        if self.per_minute is None:
            return
        with self._lock:
            now = self.clock.now()
            start = max(now, self._next)
            self._next = start + 60.0 / self.per_minute
        if start > now:
            self.clock.sleep(start - now)
