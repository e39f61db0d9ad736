"""Servers started with ``vllm serve`` as a backend, over HTTP.

They need ``--logprobs-mode processed_logprobs`` and the environment variable
``VLLM_SERVER_DEV_MODE=1``, which opens the addresses that weights are replaced through; they must
be reachable from nowhere but the training's own network.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from transformers import PreTrainedModel

from preftune.recipe import VLLMRollouts
from preftune.records import RunFailed, Sampling
from preftune.rollouts.hosted import Written
from preftune.rollouts.vllm_local import request
from preftune.rollouts.vllm_weights import WeightsFolder

AT_ONCE = 64
"""Requests under way at each server."""


class VLLMFleet:
    """Requests go round the servers in turn; all of them get the same weights."""

    def __init__(self, settings: VLLMRollouts, folder: WeightsFolder) -> None:
        self.settings, self.folder = settings, folder
        self.urls = [url.rstrip("/") for url in settings.urls]
        self.version = ""
        limits = httpx.Limits(max_connections=AT_ONCE * len(self.urls))
        self._client = httpx.Client(timeout=settings.timeout, limits=limits)
        self._models = {url: self._model(url) for url in self.urls}

    @property
    def exact(self) -> bool:
        """A server does not say which number format it computes in."""
        return False

    def take(self, policy: PreTrainedModel, version: str) -> None:
        """Raises :class:`RunFailed` where a server does not take them."""
        folder = str(self.folder.write(policy).resolve())
        for url in self.urls:
            rpc = {"method": "reload_weights", "kwargs": {"weights_path": folder}}
            self._ask(url, "/collective_rpc", rpc)
            self._ask(url, "/reset_prefix_cache", {})
            self._ask(url, "/update_weight_version", {"new_version": version})
        self.version = version

    def write(
        self, prompts: Sequence[tuple[int, ...]], sampling: Sampling, stops: Sequence[int]
    ) -> list[Written]:
        """Raises :class:`RunFailed` where a server does not answer, or answers with weights of
        another version than it was given."""

        def one(place: int) -> Written:
            url = self.urls[place % len(self.urls)]
            asked = request(sampling, stops, place) | {
                "model": self._models[url],
                "prompt": list(prompts[place]),
                "logprobs": 0,
                "return_token_ids": True,
            }
            choice = self._ask(url, "/v1/completions", asked)["choices"][0]
            return Written(tuple(choice["token_ids"]), tuple(choice["logprobs"]["token_logprobs"]))

        self._same_version()
        with ThreadPoolExecutor(AT_ONCE * len(self.urls)) as pool:
            written = list(pool.map(one, range(len(prompts))))
        self._same_version()
        return written

    def close(self) -> None:
        self._client.close()
        self.folder.clear()

    def _same_version(self) -> None:
        for url in self.urls:
            told = self._get(url, "/weight_info").get("weight_version")
            if told != self.version:
                raise RunFailed(
                    f"The server at {url} writes with the weights {told!r}, and it was given "
                    f"{self.version!r}.",
                    remedy="Let no other training use it.",
                )

    def _model(self, url: str) -> str:
        """The name a server has for its model."""
        return str(self._get(url, "/v1/models")["data"][0]["id"])

    def _get(self, url: str, path: str) -> dict[str, Any]:
        return self._read(url, path, lambda: self._client.get(url + path))

    def _ask(self, url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._read(url, path, lambda: self._client.post(url + path, json=body))

    def _read(self, url: str, path: str, send: Any) -> dict[str, Any]:
        try:
            response = send()
            response.raise_for_status()
            return response.json() if response.content else {}
        except httpx.HTTPStatusError as error:
            missing = error.response.status_code == 404
            remedy = (
                "Start it with VLLM_SERVER_DEV_MODE=1 in its environment."
                if missing
                else f"Its log says why: {error.response.text[:200]}"
            )
            raise RunFailed(
                f"The server at {url} answers {error.response.status_code} to {path}.",
                remedy=remedy,
            ) from error
        except (httpx.HTTPError, ValueError) as error:
            raise RunFailed(
                f"The server at {url} does not answer: {type(error).__name__}.",
                remedy="Start it with `vllm serve MODEL --logprobs-mode processed_logprobs` and "
                "run the same command again; it continues.",
            ) from error
