"""An OpenAI-shaped HTTP endpoint as a judge.

Whatever goes wrong is either mended by asking again or told: no failure ever becomes a verdict.
Answers are kept on disk by the hash of the request, so that the same questions cost nothing again.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import httpx

from preftune.judging.asking import Answer, Question, asking_writer
from preftune.judging.cache import AnswerCache, request_key
from preftune.judging.patience import Clock, RateLimit, asked_wait, backoff
from preftune.judging.verdicts import NoVerdict, normalised
from preftune.recipe.judge import Endpoint
from preftune.records import BadInput, Prompt

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
"""Answers that another try may mend."""
HOPELESS = {
    401: "refuses the key",
    403: "forbids this",
    404: "has no such address or model",
}
"""Answers that every further request would get too."""
CACHE = Path("~/.cache/preftune/judge")
"""Where answers are kept unless another folder is named."""
LARGEST = 4_000_000
"""Bytes of an answer at most."""
TOP = 20
"""First tokens whose probabilities are asked for, the most that the API allows."""


@dataclass(slots=True)
class Usage:
    """What was asked and what it cost, added up over threads."""

    requests: int = 0
    """Sent over the network, each retry counted."""
    answered: int = 0
    cached: int = 0
    retries: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    """Answers that did not say how many tokens they took."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, **amounts: float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)

    def as_json(self) -> dict[str, float]:
        shown = [name for name in self.__dataclass_fields__ if not name.startswith("_")]
        return {name: getattr(self, name) for name in shown}


class _Mendable(Exception):
    """A try that failed; ``wait`` is what the endpoint asks for, in seconds."""

    def __init__(self, detail: str, wait: float | None = None) -> None:
        super().__init__(detail)
        self.detail, self.wait = detail, wait


@dataclass(slots=True)
class HttpJudge:
    """Asks an endpoint: an :class:`Ask` by :meth:`ask`, a :class:`Write` by :meth:`write`.

    ``cache`` is a folder, None keeps nothing. Use it in a ``with`` block; it holds connections.
    """

    settings: Endpoint
    cache: Path | None = None
    clock: Clock = Clock()
    usage: Usage = field(default_factory=Usage)
    _http: httpx.Client = field(init=False, repr=False)
    _kept: AnswerCache = field(init=False, repr=False)
    _rate: RateLimit = field(init=False, repr=False)
    _stopped: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=self.settings.concurrency)
        self._http = httpx.Client(
            headers=self._headers(), timeout=self.settings.timeout, limits=limits
        )
        self._kept = AnswerCache(None if self.cache is None else self.cache.expanduser())
        self._rate = RateLimit(self.settings.requests_per_minute, self.clock)

    def __enter__(self) -> "HttpJudge":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def url(self) -> str:
        return self.settings.base_url.rstrip("/") + "/chat/completions"

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Probabilities over the options, from the first token's or from the text.

        Raises :class:`BadInput` when the endpoint refuses the key, the address or the model.
        """
        if not self.settings.logprobs:
            return asking_writer(self.write)(questions)
        first = {"max_tokens": 1, "logprobs": True, "top_logprobs": TOP}
        answers = self._all([self._body(question.prompt, first) for question in questions])
        return [self._weighed(a, q.options) for a, q in zip(answers, questions, strict=True)]

    def write(self, prompts: Sequence[Prompt]) -> list[str | NoVerdict]:
        """What the endpoint writes to each prompt at temperature 0. Raises as :meth:`ask`."""
        length = {"max_tokens": self.settings.max_tokens}
        answers = self._all([self._body(prompt, length) for prompt in prompts])
        return [a if isinstance(a, NoVerdict) else str(a["text"]) for a in answers]

    def _body(self, prompt: Prompt, extra: Mapping[str, Any]) -> dict[str, Any]:
        turns = prompt.text
        messages = (
            [{"role": "user", "content": turns}]
            if isinstance(turns, str)
            else [{"role": turn.role, "content": turn.content} for turn in turns]
        )
        return {"model": self.settings.model, "messages": messages, "temperature": 0, **extra}

    def _weighed(self, answer: dict[str, Any] | NoVerdict, options: Sequence[str]) -> Answer:
        if isinstance(answer, NoVerdict):
            return answer
        shares = dict.fromkeys(options, 0.0)
        names = {option.casefold(): option for option in options}
        for token, logprob in answer["first"]:
            option = names.get(token.strip().casefold())
            if option is not None:
                shares[option] += math.exp(min(logprob, 0.0))
        return normalised(shares, options, least=self.settings.least_mass)

    def _all(self, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any] | NoVerdict]:
        """An answer for each body; equal ones are sent once, several at one time."""
        by_key = {request_key(self.url, body): body for body in bodies}
        found: dict[str, Future[dict[str, Any] | NoVerdict]] = {}
        with ThreadPoolExecutor(self.settings.concurrency) as threads:
            try:
                for key, body in by_key.items():
                    found[key] = threads.submit(self._one, key, body)
                done = {key: future.result() for key, future in found.items()}
            except BaseException:
                self._stopped = True
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return [done[request_key(self.url, body)] for body in bodies]

    def _one(self, key: str, body: Mapping[str, Any]) -> dict[str, Any] | NoVerdict:
        kept = self._kept.get(key)
        if kept is not None:
            self.usage.add(cached=1)
            return kept
        detail = ""
        for attempt in range(self.settings.retries + 1):
            if self._stopped:
                break
            if self._spent():
                detail = f"the {self.settings.most_cost:g} that may be spent are spent"
                break
            self._rate.wait()
            self.usage.add(requests=1, retries=int(attempt > 0))
            try:
                answer = self._send(body)
            except _Mendable as failure:
                detail = failure.detail
                if attempt < self.settings.retries:
                    self._rest(attempt, key, failure.wait)
                continue
            if isinstance(answer, NoVerdict):
                self.usage.add(failed=1)
                return answer
            self._count(answer)
            self._kept.put(key, answer)
            return answer
        self.usage.add(failed=1)
        return NoVerdict("failed", detail)

    def _rest(self, attempt: int, key: str, asked: float | None) -> None:
        longest = self.settings.longest_wait
        own = backoff(attempt, key, longest)
        self.clock.sleep(own if asked is None else min(longest, max(own, asked)))

    def _send(self, body: Mapping[str, Any]) -> dict[str, Any] | NoVerdict:
        """One try. Raises ``_Mendable``, or :class:`BadInput` for what no try mends."""
        try:
            status, headers, content = self._exchange(body)
        except httpx.TimeoutException:
            raise _Mendable(f"no answer within {self.settings.timeout:g} s") from None
        except httpx.HTTPError as error:
            raise _Mendable(f"the connection failed ({type(error).__name__})") from None
        if status in HOPELESS:
            raise BadInput(
                f"The judge at {self.settings.base_url} {HOPELESS[status]} (status {status}).",
                remedy="Check base_url, model and the variable that key_env names.",
            )
        if status in AGAIN:
            wait = asked_wait(headers.get("retry-after"), self.clock.today())
            raise _Mendable(f"status {status}", wait)
        if status != 200:
            return NoVerdict("failed", f"status {status}")
        return _read(content, wants_first="logprobs" in body)

    def _exchange(self, body: Mapping[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and content, all within the time limit, dribbled or not."""
        end = self.clock.now() + self.settings.timeout
        content = bytearray()
        with self._http.stream("POST", self.url, content=json.dumps(body)) as response:
            for piece in response.iter_bytes():
                content += piece
                if self.clock.now() > end:
                    raise httpx.ReadTimeout("too slow")
                if len(content) > LARGEST:
                    raise _Mendable(f"an answer of more than {LARGEST} bytes")
            return response.status_code, response.headers, bytes(content)

    def _count(self, answer: Mapping[str, Any]) -> None:
        tokens = answer["prompt_tokens"], answer["completion_tokens"]
        if None in tokens:
            self.usage.add(answered=1, unpriced=1)
            return
        cost = (tokens[0] * self.settings.price_in + tokens[1] * self.settings.price_out) / 1e6
        self.usage.add(answered=1, prompt_tokens=tokens[0], completion_tokens=tokens[1], cost=cost)

    def _spent(self) -> bool:
        most = self.settings.most_cost
        return most is not None and self.usage.cost >= most

    def _headers(self) -> dict[str, str]:
        plain = {"Content-Type": "application/json"}
        name = self.settings.key_env
        if name is None:
            return plain
        key = os.environ.get(name, "").strip()
        if not key or not key.isascii():
            raise BadInput(
                f"The environment variable {name} that holds the judge's key is not set, "
                "or holds something else.",
                remedy=f"export {name}=…, or leave key_env out for an endpoint without keys.",
            )
        return plain | {"Authorization": f"Bearer {key}"}


def _read(content: bytes, *, wants_first: bool) -> dict[str, Any]:
    """What we keep of an answer. Raises ``_Mendable`` for one that is not whole."""
    try:
        given = json.loads(content)
        choice = given["choices"][0]
        text = choice["message"].get("content")
        first = _first_tokens(choice) if wants_first else []
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise _Mendable("an answer that is not what the API promises") from None
    usage = given.get("usage")
    return {
        "text": text if isinstance(text, str) else "",
        "first": first,
        "prompt_tokens": _amount(usage, "prompt_tokens"),
        "completion_tokens": _amount(usage, "completion_tokens"),
    }


def _first_tokens(choice: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(token, log-probability) of the candidates for the first token. Raises KeyError, ….

    No log-probabilities are no whole answer: reading the text instead would be another measure.
    """
    tops = choice["logprobs"]["content"][0]["top_logprobs"]
    found = [(str(top["token"]), float(top["logprob"])) for top in tops]
    if not found or any(math.isnan(logprob) for _, logprob in found):
        raise ValueError
    return found


def _amount(usage: object, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
