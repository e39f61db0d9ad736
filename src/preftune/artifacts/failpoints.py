"""Named places at which a test may kill the process, to see that nothing is lost."""

import os
import signal
from types import MappingProxyType

from preftune.records import BadInput

VARIABLE = "PREFTUNE_FAILPOINT"

FAILPOINTS = MappingProxyType(
    {
        "metrics.before_append": "a step's metrics are known, not yet written",
        "checkpoint.before_write": "a checkpoint is due, nothing of it is written",
        "checkpoint.before_rename": "a checkpoint is written under its temporary name",
        "checkpoint.after_rename": "a checkpoint has its final name, older ones still exist",
        "stage.before_manifest": "a stage's outputs are written, its manifest is not",
        "stage.before_publish": "a stage's folder is complete under its temporary name",
        "stage.after_publish": "a stage's folder has its final name",
        "run.before_summary": "all stages are done, the run's summary is not written",
        "step.after_update": "the weights have been updated, the step is not recorded",
        "judgment.before_insert": "an answer has come in and is checked, nothing is stored",
        "judgment.before_commit": "an answer is inserted, its transaction is not committed",
        "judgment.after_commit": "an answer is committed, nobody has been told",
        "export.before_publish": "an export is written under its temporary name",
    }
)
"""Name and meaning of every failpoint in the package."""

_hits: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Kills this process with SIGKILL where ``PREFTUNE_FAILPOINT`` is ``name`` or ``name:K``.

    With K it is the K-th call with this name, counted from 1. Without the variable nothing
    happens. A name that is not in FAILPOINTS is refused: ValueError here, BadInput in the
    variable.
    """
    if name not in FAILPOINTS:
        raise ValueError(f"{name!r} is not in FAILPOINTS")
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    target, _, count = wanted.partition(":")
    if target not in FAILPOINTS or (count and not (count.isdecimal() and int(count) > 0)):
        raise BadInput(
            f"{VARIABLE} is {wanted!r}, which names no failpoint.",
            remedy=f"Use NAME or NAME:K with one of {', '.join(sorted(FAILPOINTS))}.",
        )
    if name != target:
        return
    _hits[name] = _hits.get(name, 0) + 1
    if _hits[name] == int(count or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
