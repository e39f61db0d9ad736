"""Sessions, invites, API tokens and rate limits. Secrets are stored as hashes only."""

from dataclasses import dataclass

from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import Annotator, Role

IDLE_SECONDS = 12 * 3600.0
ABSOLUTE_SECONDS = 7 * 24 * 3600.0
INVITE_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Session:
    """A logged-in browser. ``handle`` names it in lists; it is no secret."""

    handle: str
    annotator: Annotator
    csrf: str
    agent: str
    created_at: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class Invite:
    """An invitation that can still be used, or not (``used`` or out of time)."""

    role: Role
    group: str
    annotator_id: int | None
    """The person whose password it sets anew; None for a new person."""
    expires_at: float
    used: bool


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token for programs, without its secret."""

    prefix: str
    annotator: Annotator
    scopes: tuple[str, ...]
    created_at: float
    revoked: bool


def start(store: Store, annotator_id: int, *, agent: str = "", now: float | None = None) -> str:
    """A new session; its 256-bit secret, to be sent once."""
    raise NotImplementedError


def find(store: Store, secret: str, *, now: float | None = None) -> Session | None:
    """The live session: not idle for 12 hours, not older than 7 days, the person active."""
    raise NotImplementedError


def end(store: Store, secret: str, *, now: float | None = None) -> None:
    """Logs out. Leases of the person are released."""
    raise NotImplementedError


def of_person(store: Store, annotator_id: int, *, now: float | None = None) -> list[Session]:
    """The person's live sessions."""
    raise NotImplementedError


def revoke(store: Store, annotator_id: int, handle: str, *, now: float | None = None) -> bool:
    """Ends one of the person's sessions; whether there was one."""
    raise NotImplementedError


def invite(
    store: Store,
    *,
    role: Role,
    actor: str,
    group: str = "",
    annotator_id: int | None = None,
    now: float | None = None,
) -> str:
    """A link's secret, good once and for 7 days."""
    raise NotImplementedError


def look_up_invite(store: Store, secret: str, *, now: float | None = None) -> Invite | None:
    """The invite, whether or not it can still be used; None for a wrong secret."""
    raise NotImplementedError


def accept_invite(
    store: Store, secret: str, *, name: str, password: str, now: float | None = None
) -> Annotator:
    """Makes the account (or sets the password anew), once. Forbidden when used or out of time."""
    raise NotImplementedError


def first_run_secret(store: Store, *, now: float | None = None) -> str | None:
    """While there is no admin: the secret of a one-time admin invite, older ones ended."""
    raise NotImplementedError


def issue_token(store: Store, annotator_id: int, *, scopes: tuple[str, ...], actor: str) -> str:
    """An API token ``pft_PREFIX_SECRET``, shown once. Scopes: label, read, manage."""
    raise NotImplementedError


def find_token(store: Store, token: str) -> ApiToken | None:
    """The live token and its person."""
    raise NotImplementedError


def revoke_token(store: Store, prefix: str, *, actor: str) -> bool:
    """Ends a token; whether there was one."""
    raise NotImplementedError


def tokens_of(store: Store, annotator_id: int) -> list[ApiToken]:
    """The person's tokens, revoked ones included."""
    raise NotImplementedError


def allow(
    store: Store, name: str, *, limit: int, window_seconds: float, now: float | None = None
) -> bool:
    """Counts one more use of ``name`` in the current fixed window; False above ``limit``."""
    raise NotImplementedError
