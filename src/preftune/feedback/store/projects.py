"""Projects: one kind of question, asked of many items."""

from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Project, ProjectSettings


def create(store: Store, settings: ProjectSettings, *, actor: str) -> Project:
    """A new project with its first guideline. BadInput for settings that cannot be, Conflict."""
    raise NotImplementedError


def named(store: Store, name: str) -> Project:
    """The project of this name. Raises Unknown, naming those there are."""
    raise NotImplementedError


def by_id(store: Store, project_id: int) -> Project:
    """The project with this id. Raises Unknown."""
    raise NotImplementedError


def all(store: Store) -> list[Project]:
    """Every project, oldest first."""
    raise NotImplementedError


def pause(store: Store, project_id: int, *, actor: str) -> None:
    """Hands out no more items; what is out may still come in."""
    raise NotImplementedError


def reopen(store: Store, project_id: int, *, actor: str) -> None:
    """Hands out items again."""
    raise NotImplementedError


def raise_overlap(store: Store, project_id: int, overlap: int, *, actor: str) -> int:
    """More judgments for each item; returns how many places were added."""
    raise NotImplementedError
