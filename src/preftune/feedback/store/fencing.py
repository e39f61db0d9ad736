"""Lease tokens and keyed draws: who holds what, which side is shown first, when gold comes.

A token is the epoch and a keyed hash of assignment and epoch, so no token is stored and none can be
made up. Sides and gold are drawn by the project's key, so a reload draws the same.
"""

import hmac

from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import LeaseLost

MAC_LETTERS = 40


def lease_token(store: Store, assignment_id: int, epoch: int) -> str:
    """The token of one lease: ``EPOCH.MAC``."""
    return f"{epoch}.{_mac(store.token_key, f'lease|{assignment_id}|{epoch}')}"


def epoch_of(store: Store, assignment_id: int, token: str) -> int:
    """The epoch a token is for. LeaseLost when the token was never given out."""
    number, _, given = token.partition(".")
    epoch = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
    expected = lease_token(store, assignment_id, epoch)
    if epoch < 1 or not hmac.compare_digest(expected.encode(), token.encode(errors="replace")):
        raise LeaseLost("unknown", "This lease token was not given out for this assignment.")
    return epoch


def shown_order(key: str, item: int, annotator: int, count: int) -> tuple[int, ...]:
    """The order in which this person sees the item's responses: ``order[k]`` stands at place k."""
    return tuple(
        sorted(
            range(count), key=lambda place: _mac(key.encode(), f"side|{item}|{annotator}|{place}")
        )
    )


def chance(key: str, *what: object) -> float:
    """A number in [0, 1) drawn by the project's key for this and nothing else."""
    return int(_mac(key.encode(), "|".join(map(str, ("chance", *what))))[:13], 16) / 16**13


def pseudonym(salt: bytes, annotator_id: int) -> str:
    """The name of a person in exports: a keyed hash whose key stays in the store."""
    return f"annotator-{_mac(salt, f'annotator|{annotator_id}')[:12]}"


def _mac(key: bytes, message: str) -> str:
    return hmac.digest(key, message.encode(), "sha256").hex()[:MAC_LETTERS]
