"""One answer as it grows: tokens to text, stop texts found, nothing shown that may change."""

from dataclasses import dataclass, field
from threading import Lock

from transformers import PreTrainedTokenizerBase

from preftune.rollouts.streaming import Written

UNFINISHED = "\ufffd"
"""What a character decodes to before all of its bytes are there."""


@dataclass(slots=True)
class Answer:
    """What is written so far. ``index`` is its place among the choices of its request.

    ``finish_reason`` is ``stop`` (end-of-sequence or a stop text) or ``length``, None before the
    end; ``error`` says what went wrong instead.
    """

    tokenizer: PreTrainedTokenizerBase
    index: int
    most: int
    stops: tuple[str, ...] = ()
    finish_reason: str | None = None
    error: str | None = None
    tokens: list[Written] = field(default_factory=list)
    """Every token written, without the end-of-sequence token."""
    written: int = 0
    """Tokens the model wrote, with the end-of-sequence token: what usage counts."""
    _text: str = ""
    _shown: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, token: Written) -> None:
        """One more token; sets ``finish_reason`` where it is the last."""
        with self._lock:
            self.written += 1
            if token.token == self.tokenizer.eos_token_id:
                self.finish_reason = "stop"
                return
            self.tokens.append(token)
            self._text = self._decoded()
            ends = [place for stop in self.stops if (place := self._text.find(stop)) >= 0]
            if ends:
                self._text, self.finish_reason = self._text[: min(ends)], "stop"
            elif self.written >= self.most:
                self.finish_reason = "length"

    def fail(self, error: str) -> None:
        with self._lock:
            self.error = error

    @property
    def over(self) -> bool:
        return self.finish_reason is not None or self.error is not None

    @property
    def text(self) -> str:
        return self._text

    def piece(self) -> str:
        """Text not handed out yet that nothing can change any more."""
        with self._lock:
            safe = len(self._text) if self.finish_reason else self._certain()
            piece = self._text[self._shown : safe]
            self._shown = max(self._shown, safe)
            return piece

    def _certain(self) -> int:
        """Where an unfinished character or the beginning of a stop text may start."""
        text = self._text.rstrip(UNFINISHED)
        longest = max(map(len, self.stops), default=0)
        for start in range(max(0, len(text) - longest), len(text)):
            if any(stop.startswith(text[start:]) for stop in self.stops):
                return start
        return len(text)

    def _decoded(self) -> str:
        ids = [token.token for token in self.tokens]
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))
