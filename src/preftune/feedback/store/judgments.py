"""Judgments: taken in once, never changed, revised by a new row."""

from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Judgment, Receipt, Revision, Submission


def submit(store: Store, submission: Submission, *, now: float | None = None) -> Receipt:
    """Stores an answer; when this returns, it is on the disk.

    The same id with the same content gives the first receipt again (``replayed``); with other
    content it is a Conflict. In time: ``counted``. After the lease ended, and a place was still
    open: ``late``, which counts too. No place left: ``surplus``, kept but not counted.
    Raises InvalidAnswer, Unknown, Conflict, LeaseLost (a token that was never given out).
    """
    raise NotImplementedError


def revise(store: Store, revision: Revision, *, now: float | None = None) -> Receipt:
    """A changed answer within the undo window: a new revision of the same judgment."""
    raise NotImplementedError


def mine(store: Store, project_id: int, annotator_id: int, *, limit: int = 20) -> list[Judgment]:
    """This person's last judgments, newest first, each in its latest revision."""
    raise NotImplementedError


def of_item(store: Store, item_number: int) -> list[Judgment]:
    """Every revision of every judgment of an item, oldest first."""
    raise NotImplementedError


def by_id(store: Store, judgment_id: str) -> Judgment:
    """The latest revision of a judgment. Raises Unknown."""
    raise NotImplementedError
