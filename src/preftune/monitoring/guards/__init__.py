"""Guards: from a stage's metrics so far to a verdict, pure. Each says ok, warn or halt, and why."""

from preftune.monitoring.guards.verdict import LEVELS, History, Verdict
from preftune.monitoring.guards.watch import GUARDS, as_metrics, events, sound, watch, worse

__all__ = [
    "GUARDS",
    "LEVELS",
    "History",
    "Verdict",
    "as_metrics",
    "events",
    "sound",
    "watch",
    "worse",
]
