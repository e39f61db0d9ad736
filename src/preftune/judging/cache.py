"""What an endpoint has answered, kept by the hash of what it was asked: the second time is free."""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preftune.records import RunFailed


def request_key(url: str, body: Mapping[str, Any]) -> str:
    """The sha256 of address and body. The key that pays for it is no part of a request."""
    canonical = json.dumps([url, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class AnswerCache:
    """A folder with one file an answer. Without a folder nothing is kept."""

    folder: Path | None

    def get(self, key: str) -> dict[str, Any] | None:
        """What was answered; None where nothing was, or where the file is damaged."""
        if self.folder is None:
            return None
        try:
            kept = json.loads(self._place(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or kept.get("key") != key:
            return None
        answer = kept.get("answer")
        whole = isinstance(answer, dict) and kept.get("sha256") == _hash(answer)
        return answer if whole else None

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Keeps an answer: whole or not at all, also through a crash. Raises RunFailed."""
        if self.folder is None:
            return
        kept = {"key": key, "sha256": _hash(answer), "answer": answer}
        place = self._place(key)
        partial = place.parent / f".{secrets.token_hex(8)}.partial"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                json.dump(kept, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(place)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise RunFailed(
                f"The judge's answer could not be kept: {error.strerror or error}.",
                file=place,
                remedy="Free some space, or name another cache folder.",
            ) from error

    def _place(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.json"


def _hash(answer: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()
