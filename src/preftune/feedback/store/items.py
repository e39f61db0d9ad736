"""Items: prompts with their responses, in the order they are asked."""

from collections.abc import Iterable

from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Item, NewItem


def add(store: Store, project_id: int, new: Iterable[NewItem], *, actor: str) -> int:
    """Adds items with their places; how many were new.

    An item that is there already with the same content is passed over; other content under the
    same id is a Conflict, and nothing is added.
    """
    raise NotImplementedError


def by_number(store: Store, number: int) -> Item:
    """One item. Raises Unknown."""
    raise NotImplementedError


def named(store: Store, project_id: int, name: str) -> Item:
    """The item that came with this id. Raises Unknown."""
    raise NotImplementedError


def listed(store: Store, project_id: int, *, after: int = 0, limit: int = 100) -> list[Item]:
    """Items in the order they were added, from the number after ``after`` on."""
    raise NotImplementedError
