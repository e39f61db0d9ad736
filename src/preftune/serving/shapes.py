"""Answers in OpenAI's shape, whole and in pieces, and its errors."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from fastapi.responses import JSONResponse

from preftune.rollouts.streaming import Written
from preftune.serving.answers import Answer


class Refused(Exception):
    """A request that is not served; becomes OpenAI's error object."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    def response(self) -> JSONResponse:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, status_code=self.status)


@dataclass(frozen=True, slots=True)
class Shape:
    """How one request's answers look: chat or plain completions, of which model."""

    model: str
    chat: bool
    top: int | None
    """Most likely tokens told with each token; None tells no log-probabilities."""
    prompt_tokens: int
    id: str = field(default_factory=lambda: token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        choices = [
            {
                "index": answer.index,
                **self._content(answer.text),
                "logprobs": self._logprobs(answer, answer.tokens),
                "finish_reason": answer.finish_reason,
            }
            for answer in answers
        ]
        return {**self._head(whole=True), "choices": choices, "usage": self.usage(answers)}

    def opening(self, index: int) -> dict[str, Any]:
        """The first piece of a chat answer, which says who speaks."""
        delta = {"role": "assistant", "content": ""}
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return {**self._head(), "choices": [choice]}

    def piece(
        self, answer: Answer, text: str, tokens: Sequence[Written], last: bool
    ) -> dict[str, Any]:
        content = {"delta": {"content": text} if text else {}} if self.chat else {"text": text}
        choice = {
            "index": answer.index,
            **content,
            "logprobs": self._logprobs(answer, tokens) if tokens else None,
            "finish_reason": answer.finish_reason if last else None,
        }
        return {**self._head(), "choices": [choice]}

    def closing(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """The piece with the usage, where it was asked for."""
        return {**self._head(), "choices": [], "usage": self.usage(answers)}

    def usage(self, answers: Sequence[Answer]) -> dict[str, int]:
        written = sum(answer.written for answer in answers)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": written,
            "total_tokens": self.prompt_tokens + written,
        }

    def _head(self, whole: bool = False) -> dict[str, Any]:
        kind = "text_completion"
        if self.chat:
            kind = "chat.completion" if whole else "chat.completion.chunk"
        prefix = "chatcmpl" if self.chat else "cmpl"
        return {
            "id": f"{prefix}-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }

    def _content(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}

    def _logprobs(self, answer: Answer, tokens: Sequence[Written]) -> dict[str, Any] | None:
        if self.top is None:
            return None

        def shown(token: int) -> str:
            return str(answer.tokenizer.decode([token]))

        if self.chat:
            return {"content": [_chat_token(token, shown) for token in tokens], "refusal": None}
        texts = [shown(token.token) for token in tokens]
        offsets = [sum(map(len, texts[:place])) for place in range(len(texts))]
        return {
            "tokens": texts,
            "token_logprobs": [token.logprob for token in tokens],
            "top_logprobs": [{shown(i): p for i, p in token.top} for token in tokens],
            "text_offset": offsets,
        }


def _chat_token(token: Written, shown: Any) -> dict[str, Any]:
    def entry(number: int, logprob: float) -> dict[str, Any]:
        text = shown(number)
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    return {
        **entry(token.token, token.logprob),
        "top_logprobs": [entry(number, logprob) for number, logprob in token.top],
    }
