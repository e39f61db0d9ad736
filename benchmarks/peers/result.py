"""What a side hands back, the same for all."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.job import Job
from benchmarks.peers.stopwatch import Stopwatch


def told(job: Job, watch: Stopwatch, curves: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Measurements and curves. A step may see another number of rows than it was asked to, where
    a peer packs them: whoever does says so."""
    return {
        "side": job.side,
        "variant": job.variant,
        "rows_per_step": float(job.batch),
        **watch.told(),
        "curves": {name: list(values) for name, values in curves.items()},
    }
