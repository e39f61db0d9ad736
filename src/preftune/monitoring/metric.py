"""What a metric is: its name, its unit, what it means, and who writes it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One curve. ``stems`` are the algorithms that write it; none means any stage."""

    name: str
    unit: str
    meaning: str
    stems: tuple[str, ...] = ()
