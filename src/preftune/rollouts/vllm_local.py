"""vLLM in this process as a backend."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from preftune.artifacts import derive_seed
from preftune.recipe import VLLMRollouts
from preftune.records import BadInput, RunFailed, Sampling
from preftune.rollouts.hosted import Written
from preftune.rollouts.vllm_weights import WeightsFolder


class VLLMBackend:
    """Starts with the first weights it is given, then replaces them in place.

    Every request has a seed of its own; log-probabilities are processed ones, those of the
    distribution that is drawn from. The prefix cache is emptied with every change of weights.
    """

    def __init__(self, settings: VLLMRollouts, folder: WeightsFolder, context: int) -> None:
        self.settings, self.folder, self.context = settings, folder, context
        self._llm: Any = None

    @property
    def exact(self) -> bool:
        return self._llm is not None and self._llm.model_config.dtype is torch.float32

    def take(self, policy: PreTrainedModel, version: str) -> None:
        """Raises :class:`BadInput` without vLLM, :class:`RunFailed` where it keeps old keys."""
        folder = str(self.folder.write(policy))
        if self._llm is None:
            self._llm = _start(self.settings, folder, self.context)
        else:
            self._llm.collective_rpc("reload_weights", kwargs={"weights_path": folder})
        if not self._llm.reset_prefix_cache():
            raise RunFailed("vLLM keeps keys and values of the weights before in its prefix cache.")
        self._llm.update_weight_version(version)

    def write(
        self, prompts: Sequence[tuple[int, ...]], sampling: Sampling, stops: Sequence[int]
    ) -> list[Written]:
        from vllm import SamplingParams

        version = self._llm.get_weight_version()
        asked = [
            SamplingParams(**request(sampling, stops, place), detokenize=False, logprobs=0)
            for place in range(len(prompts))
        ]
        given = [{"prompt_token_ids": list(ids)} for ids in prompts]
        outputs = [one.outputs[0] for one in self._llm.generate(given, asked, use_tqdm=False)]
        assert self._llm.get_weight_version() == version
        return [
            Written(
                tuple(out.token_ids),
                tuple(
                    float(table[token].logprob)
                    for token, table in zip(out.token_ids, out.logprobs, strict=True)
                ),
            )
            for out in outputs
        ]

    def close(self) -> None:
        self._llm = None
        self.folder.clear()


def request(sampling: Sampling, stops: Sequence[int], place: int) -> dict[str, Any]:
    """What vLLM is asked for at this place of a request; all ends are ours to name."""
    return {
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "seed": derive_seed(sampling.seed, "tokens", place) % 2**31,
        "ignore_eos": True,
        "stop_token_ids": list(stops),
    }


def _start(settings: VLLMRollouts, folder: str, context: int) -> Any:
    try:
        from vllm import LLM
    except ImportError:
        raise BadInput(
            "vLLM is not installed here.",
            remedy="Install it beside preftune, or name servers under engine.urls.",
        ) from None
    return LLM(
        model=folder,
        dtype=settings.dtype,
        max_model_len=context,
        logprobs_mode="processed_logprobs",
        enable_prefix_caching=True,
        gpu_memory_utilization=settings.memory,
        enforce_eager=not torch.cuda.is_available(),
    )
