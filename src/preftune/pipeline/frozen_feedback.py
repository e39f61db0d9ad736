"""Judgments from a label store as a stage's input: frozen once in the run, by watermark.

``store:NAME#PROJECT`` or ``store:NAME#PROJECT/HOW``: NAME is the environment variable that holds
the store's file or URL, so no recipe holds a password. The first run writes the rows as they are
then into ``feedback/`` of the run folder; whoever runs it again gets the same rows, whatever was
said since. A new run takes the new judgments.
"""

import os
import re
from pathlib import Path

from preftune.artifacts import FEEDBACK_ORIGIN
from preftune.feedback.kinds import HOWS
from preftune.feedback.store.datasets import freeze
from preftune.feedback.store.engine import open_store
from preftune.records import BadInput

STORE = "store:"
FORM = re.compile(r"store:(?P<variable>[A-Za-z_][A-Za-z0-9_]*)#(?P<project>[^#/]+)(/(?P<how>\w+))?")


def frozen_feedback(place: str, source: str, run: Path) -> Path:
    """The file with the rows; made when the run has none yet.

    ``place`` is the recipe's key, for messages. Raises BadInput for a source of another form, a
    variable that is not set, or a project that is not there or has no judgments.
    """
    found = FORM.fullmatch(source)
    how = (found["how"] or "majority") if found else ""
    if found is None or how not in HOWS:
        raise BadInput(
            f"{place} = {source!r} names no feedback.",
            remedy=f"Write store:VARIABLE#PROJECT, or with /{', /'.join(HOWS)} after it.",
        )
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{found['variable']}-{found['project']}-{how}.jsonl")
    path = run / "feedback" / name
    if path.is_file() and Path(f"{path}{FEEDBACK_ORIGIN}").is_file():
        return path
    url = os.environ.get(found["variable"])
    if not url:
        raise BadInput(
            f"{place} needs the environment variable {found['variable']}, which is not set.",
            remedy="It holds the label store's file or URL.",
        )
    store = open_store(url)
    try:
        freeze(store, found["project"], path, how=how)
    finally:
        store.close()
    return path
