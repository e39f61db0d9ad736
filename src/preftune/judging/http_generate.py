"""An OpenAI-shaped endpoint as somebody who writes: a :class:`preftune.records.Generate`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from preftune.records import BadInput, Completion, Prompt, RunFailed, Sampling, StopReason
from preftune.records.texts import Message


@dataclass(slots=True)
class HttpGenerate:
    """Asks ``base_url``/chat/completions for one answer to each prompt, one after the other.

    ``key_env`` names the environment variable with the key. Raises :class:`RunFailed` where there
    is no whole answer: whoever waits for it may ask again.
    """

    base_url: str
    model: str
    key_env: str | None = None
    timeout: float = 60.0
    _http: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._http = httpx.Client(headers=self._headers(), timeout=self.timeout)

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        return [self._one(prompt, sampling) for prompt in prompts]

    def _one(self, prompt: Prompt, sampling: Sampling) -> Completion:
        turns = prompt.text
        if isinstance(turns, str):
            turns = (Message("user", turns),)
        body = {
            "model": self.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed % 2**31,
        }
        try:
            answer = self._http.post(f"{self.base_url.rstrip('/')}/chat/completions", json=body)
            answer.raise_for_status()
            choice = answer.json()["choices"][0]
            text, reason = choice["message"]["content"], choice["finish_reason"]
            if not isinstance(text, str):
                raise TypeError
        except httpx.HTTPStatusError as error:
            raise RunFailed(f"The endpoint answers with {error.response.status_code}.") from None
        except httpx.HTTPError as error:
            raise RunFailed(f"The endpoint does not answer ({type(error).__name__}).") from None
        except (ValueError, KeyError, IndexError, TypeError):
            raise RunFailed("The endpoint's answer is not what the API promises.") from None
        stop = StopReason.LENGTH if reason == "length" else StopReason.EOS
        return Completion(prompt, text, stop, policy_version=self.model)

    def _headers(self) -> dict[str, str]:
        if self.key_env is None:
            return {}
        key = os.environ.get(self.key_env, "").strip()
        if not key:
            raise BadInput(
                f"The environment variable {self.key_env} is not set.",
                remedy=f"export {self.key_env}=…",
            )
        return {"Authorization": f"Bearer {key}"}
